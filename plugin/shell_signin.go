package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// signIn is the whole sign-in with Plex in a shell. It asks for what the page asks for, by
// the same calls. Ctrl-C ends it at any time: until the last call nothing is saved.
func (c *shell) signIn() error {
	c.first = true
	out := c.stdout
	if c.asJSON {
		out = c.stderr
	}
	asJSON := c.asJSON
	c.asJSON, c.table = false, true // what these calls log is no news here
	begun, err := askMode[SignIn](c, map[string]any{"mode": "sign_in"})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Open this address in a browser, on any device, and sign in to Plex:\n\n  %s\n\nWaiting for up to %s. Press Ctrl-C to cancel.\n",
		printable(begun.URL), several((begun.Left+59)/60, "minute", "minutes"))
	id := strconv.FormatInt(begun.ID, 10)
	progress, err := c.await(out, id)
	if err != nil {
		return err
	}
	c.offers(out, progress)
	o, err := c.pick(out, progress)
	if err != nil {
		return err
	}
	c.asJSON, c.table = asJSON, false
	return c.ask(map[string]any{"mode": "sign_in_choose", "id": id, "machine": o.Machine, "url": o.URL})
}

// askMode calls a mode that is answered by an A.
func askMode[A any](c *shell, args map[string]any) (A, error) {
	answer, _, err := c.call(args)
	a, _ := answer.(A)
	return a, err
}

// await asks until the person has signed in, and says what keeps it from going on, once.
func (c *shell) await(out io.Writer, id string) (SignInProgress, error) {
	said := ""
	for {
		p, err := askMode[SignInProgress](c, map[string]any{"mode": "sign_in_poll", "id": id})
		switch {
		case err != nil:
			return p, err
		case p.State == SignInReady:
			return p, nil
		case p.State != SignInWaiting:
			return p, errors.New(p.Message)
		}
		// How long to wait changes from one time to the next.
		if kind, _, _ := strings.Cut(p.Message, ":"); kind != "" && kind != said {
			fmt.Fprintln(out, printable(p.Message))
			said = kind
		}
		time.Sleep(time.Duration(p.Poll) * time.Second)
	}
}

// offers lists the servers.
func (c *shell) offers(out io.Writer, p SignInProgress) {
	if len(p.Servers) > 0 {
		fmt.Fprint(out, "\nYour servers:\n\n")
	}
	n := 0
	for _, o := range p.Servers {
		if !o.Usable {
			fmt.Fprintf(out, "  -  %s\n     %s\n", printable(o.Name), printable(o.Message))
			for _, x := range o.Addresses {
				fmt.Fprintf(out, "     %s %s\n", printable(x.URL), printable(x.Message))
			}
			continue
		}
		n++
		fmt.Fprintf(out, "  %d  %s, Plex %s\n     %s\n", n, printable(o.Name), printable(shortVersion(o.Version)), printable(o.URL))
	}
	fmt.Fprintln(out)
}

// shortVersion is a version without its build: 1.43.2 of 1.43.2.10687-563d026ea.
func shortVersion(v string) string {
	parts := strings.Split(v, ".")
	return strings.Join(parts[:min(len(parts), 3)], ".")
}

// pick is the server to use: the one that --server names, the only one that can be used,
// or the one that the person picks.
func (c *shell) pick(out io.Writer, p SignInProgress) (SignInServer, error) {
	var usable []SignInServer
	proposed := 1
	for _, o := range p.Servers {
		if named := strings.EqualFold(o.Name, c.server) || o.Machine == c.server; c.server != "" && named && !o.Usable {
			return o, fmt.Errorf("%s: %s", o.Name, o.Message)
		} else if o.Usable && (c.server == "" || named) {
			if usable = append(usable, o); o.Machine == p.Machine {
				proposed = len(usable)
			}
		}
	}
	switch {
	case len(usable) == 1:
		return usable[0], nil
	case len(usable) == 0 && c.server != "":
		return SignInServer{}, fmt.Errorf("--server: you have no server %q", c.server)
	case len(usable) == 0:
		return SignInServer{}, errors.New(p.Message)
	case c.server != "":
		return SignInServer{}, fmt.Errorf("--server: several servers have this name. Give the machine identifier instead: %s or %s", usable[0].Machine, usable[1].Machine)
	}
	in := bufio.NewScanner(c.stdin)
	for {
		fmt.Fprintf(out, "Which one do you want to sync? [%d] ", proposed)
		if !in.Scan() {
			return SignInServer{}, errors.New("you have several servers. Name one, for example: plexsync sign-in --server " + strconv.Quote(usable[proposed-1].Name))
		}
		answer := strings.TrimSpace(in.Text())
		if answer == "" {
			return usable[proposed-1], nil
		}
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(usable) {
			return usable[n-1], nil
		}
	}
}
