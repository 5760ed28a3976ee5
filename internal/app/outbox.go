package app

import (
	"context"
	"errors"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/job"
	"github.com/bdash/bdash/internal/mail"
	"github.com/bdash/bdash/internal/sqlstore"
)

// outbox queues mails as jobs in the transaction that causes them.
type outbox struct{ jobs *job.Client }

// QueueTx implements sqlstore.Outbox.
func (o outbox) QueueTx(ctx context.Context, tx *sqlstore.Tx, mails ...account.Mail) error {
	for _, m := range mails {
		locale, err := localeOf(ctx, tx, &m)
		if err != nil {
			return err
		}
		m.Locale = locale
		in := job.Insert{Args: sendArgs(m)}
		if pg := tx.PG(); pg != nil {
			_, err = o.jobs.InsertTxPG(ctx, pg, in)
		} else {
			_, err = o.jobs.InsertTxSQLite(ctx, tx.SQLite(), in)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// localeOf is the language that the reader chose for the dashboard, if any.
func localeOf(ctx context.Context, tx *sqlstore.Tx, m *account.Mail) (string, error) {
	if m.UserID == 0 {
		return m.Locale, nil
	}
	p, err := tx.PreferencesOf(ctx, m.UserID)
	if sqlstore.IsNoRows(err) {
		return m.Locale, nil
	}
	return p.Locale, err
}

// sendArgs says a room's mail in the words of the mail package.
func sendArgs(m account.Mail) mail.SendArgs {
	data := map[string]string{mail.Link: m.Link}
	if !m.ExpiresAt.IsZero() {
		data[mail.ExpiresAt] = m.ExpiresAt.Format(time.RFC3339)
	}
	if !m.At.IsZero() {
		data[mail.ChangedAt] = m.At.Format(time.RFC3339)
	}
	return mail.SendArgs{Template: mail.Template(m.Template), Locale: m.Locale, To: m.To, Data: data}
}

const (
	mailTimeout  = time.Minute
	mailAttempts = 10
)

// registerMail has mails sent by jobs. What the server refuses for good is not
// tried again; the payload, which holds links, is forgotten afterwards.
func registerMail(w *job.Workers, sender *mail.Sender) {
	job.Register(w, func(ctx context.Context, j job.Job[mail.SendArgs]) error {
		err := sender.Send(ctx, j.Args)
		if err != nil && (mail.IsPermanent(err) || errors.Is(err, context.Canceled)) {
			return job.Cancel(err)
		}
		return err
	}, job.KindOpts{Timeout: mailTimeout, MaxAttempts: mailAttempts, Forget: true})
}
