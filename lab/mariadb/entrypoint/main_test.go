package main

import "testing"

func TestRootSQL(t *testing.T) {
	const want = `FLUSH PRIVILEGES;
DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host NOT IN ('localhost');
FLUSH PRIVILEGES;
ALTER USER root@localhost IDENTIFIED BY 'it''s\\\n';
CREATE USER root@'%' IDENTIFIED BY 'it''s\\\n';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
`
	if got := rootSQL("%", "it's\\\n"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestRefusals(t *testing.T) {
	if err := run("", nil); err == nil || err.Error() != "MARIADB_ROOT is not set" {
		t.Errorf("without packages: %v", err)
	}
}
