package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

const filePath = "/api/v4/projects/9/repository/files/vclusters%2Facme%2Esecrets%2Eyaml"

var fileInputs = provider.Values{
	"project": "9", "branch": "main", "filePath": "vclusters/acme.secrets.yaml", "content": "a: b\n", "encoding": "text",
	"commitMessage": "Secrets", "authorName": "platform", "authorEmail": "platform@test", "overwriteOnCreate": true,
}

const fileBody = `{"branch": "main", "content": "a: b\n", "encoding": "text", "commit_message": "Secrets",
	"author_name": "platform", "author_email": "platform@test"`

func readFile(content string) exchange {
	return exchange{
		Request: "GET " + filePath + "?ref=main",
		Answer:  fmt.Sprintf(`{"content": %q, "encoding": "base64", "last_commit_id": "c1"}`, base64.StdEncoding.EncodeToString([]byte(content))),
	}
}

func createFile(t *testing.T, e *providertest.Engine, script *providertest.Script) *providertest.Resource {
	t.Helper()
	script.Expect(
		exchange{Request: "GET " + filePath + "?ref=main", Status: 404},
		exchange{Request: "POST " + filePath, Status: 201, Body: fileBody + "}", Answer: `{"file_path": "x"}`},
	)
	return e.MustCreate(fileToken, fileInputs)
}

func TestFile(t *testing.T) {
	e, script := start(t)
	r := createFile(t, e, script)
	if r.ID != "9:main:vclusters/acme.secrets.yaml" {
		t.Errorf("id %q", r.ID)
	}
	for _, c := range []struct {
		read exchange
		want string
	}{
		{readFile("a: b\n"), "same"}, {readFile("a: c\n"), "update content"},
		{exchange{Request: "GET " + filePath + "?ref=main", Status: 404}, "gone"},
	} {
		script.Expect(c.read)
		refreshed := *r
		if got, err := e.Refresh(&refreshed); err != nil || got != c.want {
			t.Errorf("refresh: %s, %v, want %s", got, err, c.want)
		}
	}
	script.Expect(
		readFile("a: c\n"),
		exchange{Request: "PUT " + filePath, Status: 400, Answer: `{"message": "You are attempting to update a file that has changed. Please refresh and try again."}`},
		exchange{Request: "PUT " + filePath, Body: fileBody + `, "last_commit_id": "c1"}`, Answer: `{}`},
	)
	if err := e.Update(r, fileInputs); err != nil {
		t.Error(err)
	}
	script.Expect(readFile("a: b\n"), exchange{
		Request: "DELETE " + filePath + "?author_email=platform%40test&author_name=platform&branch=main" +
			"&commit_message=%5BDELETE%5D%3A+Secrets&last_commit_id=c1",
		Status: 204,
	})
	if err := e.Delete(r); err != nil {
		t.Error(err)
	}
}

func TestExistingFileIsOverwrittenOnlyWhenAskedFor(t *testing.T) {
	e, script := start(t)
	script.Expect(readFile("old"), exchange{Request: "PUT " + filePath, Body: fileBody + "}", Answer: `{}`})
	e.MustCreate(fileToken, fileInputs)

	in := fileInputs.With(nil)
	delete(in, "overwriteOnCreate")
	script.Expect(exchange{Request: "POST " + filePath, Status: 400, Answer: `{"message": "A file with this name already exists"}`})
	if _, err := e.Create(fileToken, in); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("%v", err)
	}
}

func TestFilesAreWrittenOneAfterAnother(t *testing.T) {
	e, script := start(t)
	for range 5 { // any other order than this fails the script
		script.Expect(
			exchange{Request: "GET " + filePath + "?ref=main", Status: 404},
			exchange{Request: "POST " + filePath, Status: 201, Answer: `{}`},
		)
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if _, err := e.Create(fileToken, fileInputs); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
