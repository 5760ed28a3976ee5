package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Storage keeps finished backups.
type Storage interface {
	// Put stores the file under name. A backup that is listed is whole.
	Put(ctx context.Context, name, file string) error
	// List gives the names of backups, oldest first; other files are not seen.
	List(ctx context.Context) ([]string, error)
	// Open: fs.ErrNotExist.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	Delete(ctx context.Context, name string) error
	// String says where it is, without secrets.
	String() string
}

// names are what Name makes; they sort by time.
var names = regexp.MustCompile(`^bdash-\d{8}T\d{6}\.\d{3}Z\.tar\.gz$`)

// Folder is a Storage in a folder of this machine.
type Folder string

// String is the path.
func (f Folder) String() string { return string(f) }

// Put implements Storage.
func (f Folder) Put(_ context.Context, name, file string) (err error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	to := filepath.Join(string(f), name)
	if err := os.Link(file, to); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// Another file system: copy under another name first.
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(string(f), ".storing-*")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	return errors.Join(os.Link(out.Name(), to), syncDir(string(f)))
}

// List implements Storage.
func (f Folder) List(context.Context) ([]string, error) {
	entries, err := os.ReadDir(string(f)) // sorted
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var found []string
	for _, e := range entries {
		if names.MatchString(e.Name()) {
			found = append(found, e.Name())
		}
	}
	return found, err
}

// Open implements Storage.
func (f Folder) Open(_ context.Context, name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), filepath.Base(name)))
}

// Delete implements Storage.
func (f Folder) Delete(_ context.Context, name string) error {
	return os.Remove(filepath.Join(string(f), filepath.Base(name)))
}

// S3Config says where and with which rights objects are kept.
type S3Config struct {
	// Endpoint is the server's address: https://s3.eu-central-1.amazonaws.com.
	Endpoint           string
	Region             string // may be empty
	AccessKey, Secret  string
	Bucket, PathPrefix string
}

// S3 is a Storage in a bucket of anything that speaks S3's protocol.
type S3 struct {
	client *minio.Client
	cfg    S3Config
}

// NewS3 checks the address; nothing is asked yet.
func NewS3(cfg S3Config) (*S3, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the S3 endpoint %q is no http(s) address", cfg.Endpoint)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(cfg.AccessKey, cfg.Secret, ""),
		Secure: u.Scheme == "https", Region: cfg.Region,
	})
	if err != nil {
		return nil, err
	}
	return &S3{client: client, cfg: cfg}, nil
}

// String is the bucket and the prefix.
func (s *S3) String() string { return "s3://" + path.Join(s.cfg.Bucket, s.cfg.PathPrefix) }

func (s *S3) key(name string) string { return path.Join(s.cfg.PathPrefix, path.Base(name)) }

// Put implements Storage: an object appears when it is whole.
func (s *S3) Put(ctx context.Context, name, file string) error {
	_, err := s.client.FPutObject(ctx, s.cfg.Bucket, s.key(name), file, minio.PutObjectOptions{ContentType: "application/gzip"})
	return err
}

// List implements Storage.
func (s *S3) List(ctx context.Context) ([]string, error) {
	prefix := s.cfg.PathPrefix
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	var found []string
	for object := range s.client.ListObjects(ctx, s.cfg.Bucket, minio.ListObjectsOptions{Prefix: prefix}) {
		if object.Err != nil {
			return nil, object.Err
		}
		if name := strings.TrimPrefix(object.Key, prefix); names.MatchString(name) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found, nil
}

// Open implements Storage.
func (s *S3) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	object, err := s.client.GetObject(ctx, s.cfg.Bucket, s.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := object.Stat(); err != nil {
		_ = object.Close()
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
			return nil, fmt.Errorf("%s: %w", s.key(name), fs.ErrNotExist)
		}
		return nil, err
	}
	return object, nil
}

// Delete implements Storage.
func (s *S3) Delete(ctx context.Context, name string) error {
	return s.client.RemoveObject(ctx, s.cfg.Bucket, s.key(name), minio.RemoveObjectOptions{})
}

// MakeIn makes a backup and puts it into the storage.
func (m *Maker) MakeIn(ctx context.Context, s Storage) (name string, manifest *Manifest, err error) {
	dir, err := os.MkdirTemp(m.scratch(s), ".bdash-backup-*")
	if err != nil {
		return "", nil, err
	}
	defer os.RemoveAll(dir)
	file, manifest, err := m.Make(ctx, dir)
	if err != nil {
		return "", nil, err
	}
	name = filepath.Base(file)
	if err := s.Put(ctx, name, file); err != nil {
		return "", nil, fmt.Errorf("store the backup in %s: %w", s, err)
	}
	return name, manifest, nil
}

// scratch is where a backup grows: beside its place, if that is a folder, so
// that it needs the room only once.
func (m *Maker) scratch(s Storage) string {
	if f, is := s.(Folder); is && os.MkdirAll(string(f), 0o700) == nil {
		return string(f)
	}
	return ""
}

// Keep deletes all but the newest backups and gives the names of those deleted.
// It never deletes the last one.
func Keep(ctx context.Context, s Storage, newest int) ([]string, error) {
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, name := range all[:max(len(all)-max(newest, 1), 0)] {
		if err := s.Delete(ctx, name); err != nil {
			return gone, err
		}
		gone = append(gone, name)
	}
	return gone, nil
}
