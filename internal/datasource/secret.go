package datasource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// place is what secrets are bound to: where they are sent. Settings that were
// changed behind bdash's back do not lead a secret elsewhere.
func place(kind string, s *Settings) string {
	text, _ := json.Marshal([]string{"datasources.secrets", kind, destination(s)})
	return string(text)
}

// destination is where the secrets go.
func destination(s *Settings) string {
	if s.URL != "" {
		if u, err := url.Parse(s.URL); err == nil {
			return u.Scheme + "://" + u.Host
		}
		return s.URL
	}
	return s.Host + "|" + strconv.FormatInt(s.Port, 10)
}

// open gives the secrets of d. A key that is not known any more is an error.
func (s *Service) open(d *Datasource) (Secrets, error) {
	var secrets Secrets
	if d.Sealed == "" {
		return secrets, nil
	}
	text, err := s.Sealer.Open(place(d.Kind, &d.Settings), d.Sealed)
	if err != nil {
		return secrets, fmt.Errorf("open the secrets of data source %d: %w", d.ID, err)
	}
	if err := json.Unmarshal(text, &secrets); err != nil {
		return secrets, fmt.Errorf("read the secrets of data source %d: %w", d.ID, err)
	}
	return secrets, nil
}

// seal puts the secrets into d.
func (s *Service) seal(d *Datasource, secrets Secrets) error {
	d.HasPassword, d.HasToken = secrets.Password != "", secrets.Token != ""
	d.Settings.HasPassword, d.Settings.HasToken = d.HasPassword, d.HasToken
	if secrets == (Secrets{}) {
		d.Sealed, d.SealedBy = "", ""
		return nil
	}
	text, err := json.Marshal(secrets)
	if err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	d.Sealed, d.SealedBy = s.Sealer.Seal(place(d.Kind, &d.Settings), text), s.Sealer.KeyID()
	return nil
}

// resealBatch is how many are read at a time.
const resealBatch = 100

// Reseal seals anew what a former SECRET_KEY sealed, so that it can leave
// SECRET_KEY_FALLBACKS. It goes on where one cannot be opened, and names those
// in the error. Nothing else is changed, and it may run beside everything.
func (s *Service) Reseal(ctx context.Context) (resealed int, err error) {
	var failed error
	for after := int64(0); ; {
		rows, err := s.Store.NotSealedBy(ctx, s.Sealer.KeyID(), after, resealBatch)
		if err != nil {
			return resealed, err
		}
		if len(rows) == 0 {
			return resealed, failed
		}
		for i := range rows {
			d := &rows[i]
			after = d.ID
			secrets, err := s.open(d)
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			if err := s.seal(d, secrets); err != nil {
				return resealed, err
			}
			if err := s.Store.Reseal(ctx, *d); err != nil {
				return resealed, err
			}
			resealed++
		}
	}
}
