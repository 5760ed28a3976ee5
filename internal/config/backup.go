package config

import "strings"

const s3Scheme = "s3://"

// BackupBucket takes BACKUP_TO apart; ok is false when it names a folder.
func (c Config) BackupBucket() (bucket, prefix string, ok bool) {
	rest, ok := strings.CutPrefix(c.BackupTo, s3Scheme)
	bucket, prefix, _ = strings.Cut(rest, "/")
	return bucket, strings.Trim(prefix, "/"), ok
}

func (l *loader) checkBackup() {
	c := &l.cfg
	bucket, _, isBucket := c.BackupBucket()
	switch {
	case isBucket && bucket == "":
		l.problem("BACKUP_TO", "BACKUP_TO is %q and names no bucket: it must look like s3://bucket/prefix.", c.BackupTo)
	case isBucket && (c.BackupS3Key == "" || c.BackupS3Secret == ""):
		l.problem("BACKUP_TO", "BACKUP_TO names a bucket: set BACKUP_S3_ACCESS_KEY and BACKUP_S3_SECRET_KEY, too.")
	case !isBucket && strings.Contains(c.BackupTo, "://"):
		l.problem("BACKUP_TO", "BACKUP_TO is %q: it must be a folder, or look like s3://bucket/prefix.", c.BackupTo)
	}
}
