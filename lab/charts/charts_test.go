package charts

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/repo"
)

// repository is the folder of one repository for all tests.
var repository string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "charts-test-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		repository, err = build(context.Background(), dir, "sources")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func loadIndex(t *testing.T) *repo.IndexFile {
	t.Helper()
	index, err := repo.LoadIndexFile(filepath.Join(repository, indexFile))
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func loadChart(t *testing.T, name string) *chart.Chart {
	t.Helper()
	versions := loadIndex(t).Entries[name]
	if len(versions) != 1 {
		t.Fatalf("%d versions of chart %s in the index", len(versions), name)
	}
	c, err := loader.LoadFile(filepath.Join(repository, versions[0].URLs[0]))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestHoldsWhatThePlatformInstalls compares the index with the program's own
// table of charts, which only its source has here: the lab is another module.
func TestHoldsWhatThePlatformInstalls(t *testing.T) {
	index := loadIndex(t)
	pins := platformPins(t)
	if len(pins) < 10 {
		t.Fatalf("only %d charts found in the program's table", len(pins))
	}
	for name, version := range pins {
		if _, err := index.Get(name, version); err != nil {
			t.Errorf("%s %s: %v", name, version, err)
		}
	}
}

func platformPins(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../components/chart.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	pins := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok || len(literal.Elts) != 3 {
			return true
		}
		if kind, ok := literal.Type.(*ast.Ident); !ok || kind.Name != "Chart" {
			return true
		}
		var fields []string
		for _, e := range literal.Elts {
			if value, ok := e.(*ast.BasicLit); ok {
				field, err := strconv.Unquote(value.Value)
				if err != nil {
					t.Fatal(err)
				}
				fields = append(fields, field)
			}
		}
		if len(fields) == 3 {
			pins[fields[1]] = fields[2]
		}
		return true
	})
	return pins
}
