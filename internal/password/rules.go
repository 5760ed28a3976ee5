package password

import (
	"unicode/utf8"
)

// The codes of a [Problem], equal to Django's.
const (
	CodeTooSimilar      = "password_too_similar"
	CodeTooShort        = "password_too_short"
	CodeTooCommon       = "password_too_common"
	CodeEntirelyNumeric = "password_entirely_numeric"
)

// minLength is counted in characters (code points), as Django counts.
const minLength = 8

// Problem is a reason to refuse a new password.
type Problem struct {
	// Code is one of the Code constants.
	Code string
	// Message is Django's English sentence, fit for the user's eyes.
	Message string
}

// Attributes is what is known about the owner of a password, and so may not be the password. Empty fields are skipped.
type Attributes struct {
	Username  string
	FirstName string
	LastName  string
	Email     string
}

// Check judges a password that somebody wants to take, by the rules and in the words of Django 4.2's default
// validators: not too similar to about, at least 8 characters, not among the 20,000 most common, not wholly numeric. It
// returns every broken rule in that order, at most one Problem for each, and nil for a good password. Spaces count as
// sent. It is meant for new passwords only: a stored one is never judged at sign-in.
//
// Check is safe for concurrent use. The first call unpacks the list of common passwords and takes some 10 ms longer.
func Check(password string, about Attributes) []Problem {
	var problems []Problem
	if name := similarAttribute(password, about); name != "" {
		problems = append(problems, Problem{CodeTooSimilar, "The password is too similar to the " + name + "."})
	}
	if utf8.RuneCountInString(password) < minLength {
		problems = append(problems, Problem{CodeTooShort,
			"This password is too short. It must contain at least 8 characters."})
	}
	if isCommon(password) {
		problems = append(problems, Problem{CodeTooCommon, "This password is too common."})
	}
	if isNumeric(password) {
		problems = append(problems, Problem{CodeEntirelyNumeric, "This password is entirely numeric."})
	}
	return problems
}
