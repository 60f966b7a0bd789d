package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"platform/lab/site"
)

func TestDataGoWithTheirNamespace(t *testing.T) {
	s, err := site.Open(t.TempDir(), "platform.test", "", "")
	if err != nil {
		t.Fatal(err)
	}
	client := fake.NewClientset()
	namespaces := client.CoreV1().Namespaces()
	ctx := t.Context()
	make := func(uid types.UID) {
		t.Helper()
		if _, err := namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "vault", UID: uid}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	remove := func() {
		t.Helper()
		if err := namespaces.Delete(ctx, "vault", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	resets := 0
	var failure error
	look := func(want int, when string) {
		t.Helper()
		// Each a new one, as after a restart of the lab.
		l := life{site: s, namespace: "vault", reset: func(context.Context) error {
			if failure == nil {
				resets++
			}
			return failure
		}}
		if err := l.look(ctx, client); !errors.Is(err, failure) {
			t.Errorf("%s: %v", when, err)
		}
		if resets != want {
			t.Errorf("%s: emptied %d times, want %d", when, resets, want)
		}
	}

	look(0, "no namespace yet")
	make("one")
	look(0, "its first namespace")
	look(0, "the same, after a restart")
	remove()
	look(1, "gone")
	look(1, "still gone")
	make("two")
	look(1, "a new one")
	remove()
	make("three")
	look(2, "gone and come while nobody looked")
	remove()
	failure = errors.New("the disk is full")
	look(2, "an emptying that fails")
	failure = nil
	look(3, "is tried again")
}

func TestReplaceableLeadsToTheLast(t *testing.T) {
	r := &replaceable{}
	for _, text := range []string{"old", "new"} {
		r.set(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		if got := answer.Body.String(); got != text {
			t.Errorf("the answer is %q, want %q", got, text)
		}
	}
}
