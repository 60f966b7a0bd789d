package charts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// archiveName is what Helm calls a chart's archive.
func archiveName(c *chart.Chart) string {
	return fmt.Sprintf("%s-%s.tgz", c.Metadata.Name, c.Metadata.Version)
}

// archive packages a chart as `helm package` does, but for the times: the same
// chart gives the same bytes.
func archive(c *chart.Chart) ([]byte, error) {
	dir, err := os.MkdirTemp("", "chart-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path, err := chartutil.Save(c, dir)
	if err != nil {
		return nil, err
	}
	stamped, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return unstamped(stamped)
}

// unstamped rewrites an archive without the times in it.
func unstamped(archive []byte) ([]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	from, to := tar.NewReader(unzipped), tar.NewWriter(zipped)
	for {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		err = to.WriteHeader(&tar.Header{
			Typeflag: header.Typeflag, Name: header.Name, Mode: header.Mode, Size: header.Size,
		})
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(to, from); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(to.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
