package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Names inside the file, in this order.
const (
	manifestName  = "manifest.json"
	signatureName = "manifest.sig"
	dataName      = "data"
)

// maxManifest bounds what is read before anything is proven, in bytes.
const maxManifest = 16 << 20

func (m *Maker) pack(to, data string, manifest *Manifest) (err error) {
	text, signature, err := m.encode(manifest)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	zipped, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(zipped)
	write := func(name string, size int64) error {
		return archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: manifest.Created, Format: tar.FormatPAX})
	}
	for _, part := range []struct {
		name string
		text []byte
	}{{manifestName, text}, {signatureName, []byte(hex.EncodeToString(signature))}} {
		err = errors.Join(err, write(part.name, int64(len(part.text))))
		_, failed := archive.Write(part.text)
		err = errors.Join(err, failed)
	}
	in, failed := os.Open(data)
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	defer in.Close()
	if err := write(dataName, manifest.Data.Size); err != nil {
		return err
	}
	if _, err := io.Copy(archive, in); err != nil {
		return err
	}
	return errors.Join(archive.Close(), zipped.Close(), out.Sync())
}

// opened is a backup whose manifest was read; data comes next.
type opened struct {
	Manifest
	// trusted: somebody who holds one of our keys made it.
	trusted bool
	archive *tar.Reader
	zipped  *gzip.Reader
}

// open reads the manifest. ErrDamaged, ErrNewer.
func (m *Maker) open(file io.Reader) (*opened, error) {
	zipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	o := &opened{archive: tar.NewReader(zipped), zipped: zipped}
	text, err := o.small(manifestName)
	if err != nil {
		return nil, err
	}
	encoded, err := o.small(signatureName)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &o.Manifest); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if o.Format > format {
		return nil, ErrNewer
	}
	signature, err := hex.DecodeString(string(encoded))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	for _, key := range append([]string{m.Key}, m.Fallbacks...) {
		if Fingerprint(key) != o.KeyFingerprint {
			continue
		}
		if !hmac.Equal(signature, sign(key, text)) {
			return nil, fmt.Errorf("%w: the manifest's signature is not that of its key", ErrDamaged)
		}
		o.trusted = true
	}
	return o, nil
}

func (o *opened) small(name string) ([]byte, error) {
	if err := o.next(name); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(o.archive, maxManifest+1))
	if err == nil && len(text) > maxManifest {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: read %s: %w", ErrDamaged, name, err)
	}
	return text, nil
}

func (o *opened) next(name string) error {
	header, err := o.archive.Next()
	if err != nil {
		return fmt.Errorf("%w: look for %s: %w", ErrDamaged, name, err)
	}
	if header.Name != name || header.Typeflag != tar.TypeReg {
		return fmt.Errorf("%w: found %q in place of %s", ErrDamaged, header.Name, name)
	}
	return nil
}

// extract writes data into dir and gives its path, after its checksum and the
// end of the file were found to be right. ErrDamaged.
func (o *opened) extract(ctx context.Context, dir string) (path string, err error) {
	if err := o.next(dataName); err != nil {
		return "", err
	}
	path = filepath.Join(dir, dataName)
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(contextReader{ctx, o.archive}, o.Data.Size+1))
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if n != o.Data.Size || hex.EncodeToString(h.Sum(nil)) != o.Data.SHA256 {
		return "", fmt.Errorf("%w: the checksum of the data is not that of the manifest", ErrDamaged)
	}
	if _, err := o.archive.Next(); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%w: something follows the data", ErrDamaged)
	}
	// The compressed stream ends with a checksum of its own.
	if _, err := io.Copy(io.Discard, o.zipped); err != nil {
		return "", fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return path, out.Sync()
}

// contextReader stops between two reads.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
