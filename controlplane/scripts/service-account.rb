# frozen_string_literal: true

# platform-bootstrap: service-account v1
#
# Gives the platform's service account the access token whose value the program
# chose. Runs in GitLab's toolbox (`gitlab-rails runner`) and changes nothing
# when all is as it should be, except that the token's end moves on.
#
# The Community Edition has no service accounts of its own (they came with the
# paid editions), so the account is an ordinary administrator without a usable
# password. It is made the way GitLab makes its root user (db/fixtures/production).
#
# Files in /etc/platform-token: username, name (of the token), scopes (separated
# by spaces), expires (days from today, 365 at the most), token (its value).

def setting(name)
  text = File.read("/etc/platform-token/#{name}").strip
  abort "platform: #{name} is empty" if text.empty?
  text
end

def service_account(username)
  user = User.find_by_username(username)
  return user if user

  # Only administrators may create administrators, hence the one that is not saved.
  Users::CreateService.new(
    User.new(admin: true),
    username: username,
    name: "Platform (#{username})",
    email: "#{username}@noreply.#{Gitlab.config.gitlab.host}",
    admin: true,
    password_automatically_set: true,
    force_random_password: true,
    skip_confirmation: true,
    organization_id: Organizations::Organization.default_organization.id
  ).execute.then do |result|
    # Newer versions answer with a ServiceResponse, older ones with the user.
    problem = result.try(:message) || result.try(:errors)&.full_messages&.to_sentence
    User.find_by_username(username) || abort("platform: the account could not be made: #{problem}")
  end
end

# Without its value, which is a secret, in any message.
def token_of(user, value)
  token = PersonalAccessToken.find_by_token(value)
  abort 'platform: another account has this token' if token && token.user_id != user.id
  abort 'platform: this token was revoked; let the program choose another' if token&.revoked?
  token || user.personal_access_tokens.build.tap { |fresh| fresh.set_token(value) }
end

user = service_account(setting('username'))
abort "platform: #{user.username} is not active but #{user.state}" unless user.active?
user.update!(admin: true) unless user.admin?

name = setting('name')
token = token_of(user, setting('token'))
token.update!(
  name: name,
  scopes: setting('scopes').split,
  expires_at: Date.current + Integer(setting('expires'), 10)
)
user.personal_access_tokens.active.where(name: name).where.not(id: token.id).find_each(&:revoke!)
puts "platform: #{user.username} has its token #{name} until #{token.expires_at}"
