package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// newLog opens an empty log. The one of the run before is kept beside it, with
// what that run died of.
func newLog(file string) (*os.File, error) {
	if err := os.Rename(file, file+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return emptyLog(file)
}

// emptyLog opens an empty log in place of the one that is there, and leaves the
// older one.
func emptyLog(file string) (*os.File, error) {
	return os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
}

const lastLines, lastBytes = 3, 4096

// lastWords are the last lines of a log and where it is, on one line, to be
// shown in an error.
func lastWords(file string) string {
	lines := tail(file)
	if len(lines) == 0 {
		return fmt.Sprintf("its log %s is empty", file)
	}
	return fmt.Sprintf("its log %s ends with: %s", file, strings.Join(lines, " | "))
}

func lastLine(file string) string {
	lines := tail(file)
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

func tail(file string) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > lastBytes {
		if _, err := f.Seek(-lastBytes, io.SeekEnd); err != nil {
			return nil
		}
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-lastLines):]
}
