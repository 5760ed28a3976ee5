package apptest

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// Mail is a message that the console transport wrote.
type Mail struct {
	To, Subject string
	// Link is the address in the text; Token is its parameter, "" without one.
	Link, Token string
	Text        string
}

// MailsTo gives the messages to an address so far, the oldest first.
func (s *Server) MailsTo(address string) []Mail {
	var mails []Mail
	for text := range strings.SplitSeq(s.Mails.String(), strings.Repeat("-", 79)+"\n") {
		if m := parseMail(text); m.To == address {
			mails = append(mails, m)
		}
	}
	return mails
}

// WaitMail waits for the nth message to an address; the first is 1.
func (s *Server) WaitMail(t testing.TB, address string, n int) Mail {
	t.Helper()
	Eventually(t, fmt.Sprintf("mail %d to %s", n, address), func() bool { return len(s.MailsTo(address)) >= n })
	return s.MailsTo(address)[n-1]
}

func parseMail(text string) Mail {
	head, body, _ := strings.Cut(text, "\n\n")
	m := Mail{Text: body}
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "To":
			m.To = value
		case "Subject":
			m.Subject = value
		}
	}
	for line := range strings.SplitSeq(body, "\n") {
		if !strings.HasPrefix(line, "http://") && !strings.HasPrefix(line, "https://") {
			continue
		}
		m.Link = line
		if u, err := url.Parse(line); err == nil {
			m.Token = u.Query().Get("token")
		}
	}
	return m
}
