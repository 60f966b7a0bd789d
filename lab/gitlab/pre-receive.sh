#!/bin/sh
# Refuses a push that GitLab's own check would refuse. The server has put what
# the user may do into GITLAB_*; without it, everything is refused.
# Standard input: a line "<old> <new> <ref>" for each ref.

refuse() {
	echo "GitLab: $1" >&2
	exit 1
}

none=0000000000000000000000000000000000000000
[ -n "$GITLAB_DEFAULT_BRANCH" ] || refuse "Internal API unreachable"

check_tag() {
	if [ "$1" != $none ] && [ "$GITLAB_MAY_MOVE_TAGS" != yes ]; then
		refuse "You are not allowed to change existing tags on this project."
	fi
}

# find_rule sets protected, push and force to the sum of all rules for a branch.
find_rule() {
	protected=no push=no force=no
	while read -r may_push may_force pattern; do
		[ -n "$pattern" ] || continue
		# The pattern is not quoted: its stars stand for any text.
		# shellcheck disable=SC2254
		case $1 in
		$pattern)
			protected=yes
			[ "$may_push" = yes ] && push=yes
			[ "$may_force" = yes ] && force=yes
			;;
		esac
	done <<-EOF
		$GITLAB_RULES
	EOF
}

check_branch() {
	old=$1 new=$2 branch=$3
	[ "$GITLAB_MAY_START" = yes ] || refuse "You are not allowed to push code to protected branches on this project."
	if [ "$new" = $none ] && [ "$branch" = "$GITLAB_DEFAULT_BRANCH" ]; then
		refuse "The default branch of a project cannot be deleted."
	fi
	find_rule "$branch"
	[ $protected = yes ] || return 0
	[ "$new" != $none ] || refuse "You can only delete protected branches using the web interface."
	[ $push = yes ] || refuse "You are not allowed to push code to protected branches on this project."
	if [ "$old" != $none ] && [ $force = no ] && ! git merge-base --is-ancestor "$old" "$new"; then
		refuse "You are not allowed to force push code to a protected branch on this project."
	fi
}

while read -r old new ref; do
	case $ref in
	refs/heads/*) check_branch "$old" "$new" "${ref#refs/heads/}" ;;
	refs/tags/*) check_tag "$old" ;;
	*) refuse "You are not allowed to push to $ref." ;;
	esac
done
exit 0
