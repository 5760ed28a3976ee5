package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
)

// Post sends a request and gives the stream that answers it; close it. The
// error is an *llm.Error, or the context's.
func Post(ctx context.Context, client *http.Client, provider, url string, header http.Header, request any) (io.ReadCloser, error) {
	body, err := encode(request)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream, application/json")
	r.Header.Set("User-Agent", "bdash")
	res, err := client.Do(r)
	if err != nil {
		return nil, StreamError(ctx, provider, err)
	}
	return res.Body, nil
}

// encode leaves <, > and & as they are: escapes cost tokens.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// Event is one event of a stream.
type Event struct {
	Name string
	// Data is good until the next event.
	Data []byte
}

// Read gives the events of a stream until it ends or each wants no more. nil:
// it ended, or each stopped it. An event that the end cuts off is not given.
// https://html.spec.whatwg.org/multipage/server-sent-events.html
func Read(stream io.Reader, each func(Event) (more bool, err error)) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 0, 8<<10), maxLine+1)
	var e Event
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if len(e.Data) > 0 {
				e.Data = bytes.TrimSuffix(e.Data, []byte("\n"))
				if more, err := each(e); err != nil || !more {
					return err
				}
			}
			e.Name, e.Data = "", e.Data[:0]
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "event":
			e.Name = string(value)
		case "data":
			e.Data = append(append(e.Data, value...), '\n')
			if len(e.Data) > maxWhole {
				return errTooLarge
			}
		}
	}
	return lines.Err()
}
