package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/mail"
)

var (
	errNotInteractive = errors.New("nobody can be asked here: give --email and --password")
	errInterrupted    = errors.New("interrupted: no administrator was made")
)

// ask fills in what was not given on the command line.
func (c *superuserCommand) ask(p *Process) error {
	terminal, interactive := p.Stdin.(*os.File)
	interactive = interactive && term.IsTerminal(int(terminal.Fd()))
	if (c.Email == "" || c.Password == "") && !interactive {
		return errNotInteractive
	}
	if c.Email != "" && mail.ValidateAddress(c.Email) != nil {
		return notAnAddress(c.Email)
	}
	if c.Email != "" && c.Password != "" {
		return nil
	}
	// The terminal is read byte by byte, so that Ctrl-C arrives as a key: as a
	// signal it would be caught, and the read go on.
	state, err := term.MakeRaw(int(terminal.Fd()))
	if err != nil {
		return fmt.Errorf("ask on the terminal: %w", err)
	}
	defer func() { _ = term.Restore(int(terminal.Fd()), state) }()
	err = c.dialogue(term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{p.Stdin, p.Stdout}, ""))
	if errors.Is(err, io.EOF) { // Ctrl-C or Ctrl-D
		fmt.Fprint(p.Stdout, "\r\n")
		return errInterrupted
	}
	return err
}

// dialogue asks for what is missing until it is good.
func (c *superuserCommand) dialogue(t *term.Terminal) error {
	for c.Email == "" {
		t.SetPrompt("E-mail address: ")
		line, err := t.ReadLine()
		if err != nil {
			return err
		}
		if line = strings.TrimSpace(line); mail.ValidateAddress(line) == nil {
			c.Email = line
		} else {
			fmt.Fprintf(t, "%v. Please try again.\n", notAnAddress(line))
		}
	}
	for c.Password == "" {
		first, err := t.ReadPassword("Password: ")
		if err != nil {
			return err
		}
		again, err := t.ReadPassword("Password (again): ")
		if err != nil {
			return err
		}
		switch first, again = strings.TrimSpace(first), strings.TrimSpace(again); {
		case first != again:
			fmt.Fprintln(t, "The passwords do not match. Please try again.")
		case first == "":
			fmt.Fprintln(t, "The password is empty. Please try again.")
		default:
			c.Password = first
		}
	}
	return nil
}

func notAnAddress(text string) error {
	return fmt.Errorf("%q is not an e-mail address", text)
}

// plainFault words a fault for a terminal.
func plainFault(err error) error {
	f, ok := fault.As(err)
	if !ok {
		return err
	}
	if len(f.Fields) == 0 {
		return errors.New(f.Message)
	}
	lines := make([]string, len(f.Fields))
	for i, field := range f.Fields {
		lines[i] = field.Name + ": " + field.Message
	}
	return errors.New(strings.Join(lines, "\n       "))
}
