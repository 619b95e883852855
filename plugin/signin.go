package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/plexsync/plexsync/internal/config"
	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/store"
)

// Each call is a process of its own, and no token may be kept between them: not in the
// database, not in the browser. So each asks plex.tv anew for what it needs, by the id of
// the PIN. What is kept is which PINs are ours, and when plex.tv may be asked next.

// tvVariable names the variable of the environment that stands for the addresses of
// plex.tv, for tests. Nothing else reads it.
const tvVariable = "PLEXSYNC_PLEXTV_URL"

// Keys of what the database keeps of signing in. Neither holds a secret.
const (
	metaSignIn = "sign_in"      // a sharedSignIn
	metaMade   = "sign_in_made" // fingerprints of tokens that a sign-in saved, the newest last
)

const (
	// pollEvery is the time between two questions for a PIN, of all pages and shells
	// together. plex.tv wants no more than one a second.
	pollEvery = time.Second
	// pollPatience is how long a call waits for its turn, and choosePatience how long
	// one does that a person has clicked for.
	pollPatience   = 2 * time.Second
	choosePatience = 10 * time.Second
	// usualBusy is how long to wait if plex.tv does not say; maxBusy bounds what it says,
	// and what a clock that was set back makes of it.
	usualBusy = 10 * time.Second
	maxBusy   = 10 * time.Minute
	// keptPins is how many PINs are remembered: one for each tab. keptMade is how many
	// fingerprints are: the one before is needed if saving a new token fails.
	keptPins = 20
	keptMade = 5
)

// sharedSignIn is what all processes share. Times are milliseconds since the epoch.
type sharedSignIn struct {
	Next int64      `json:"next"` // plex.tv is not asked for a PIN before
	Busy bool       `json:"busy"` // because it said so
	Pins []startPin `json:"pins"` // those that are ours, the oldest first
}

type startPin struct {
	ID      int64 `json:"id"`
	Expires int64 `json:"expires"`
}

// changeSignIn changes the shared state in one transaction. A state that cannot be read is
// an empty one.
func (s *session) changeSignIn(ctx context.Context, change func(*sharedSignIn)) error {
	_, err := s.db.ChangeMeta(ctx, metaSignIn, func(old string) string {
		var x sharedSignIn
		if json.Unmarshal([]byte(old), &x) != nil {
			x = sharedSignIn{}
		}
		change(&x)
		text, err := json.Marshal(x)
		if err != nil { // numbers cannot fail
			return old
		}
		return string(text)
	})
	return err
}

// turn waits until plex.tv may be asked for a PIN, and takes the turn. If that would be
// longer than patience, it returns how long it would be, and takes none.
func (s *session) turn(ctx context.Context, patience time.Duration) (wait time.Duration, busy bool, err error) {
	until := time.Now().Add(patience)
	for {
		err := s.changeSignIn(ctx, func(x *sharedSignIn) {
			now := time.Now()
			wait, busy = time.UnixMilli(x.Next).Sub(now), x.Busy
			if wait > maxBusy { // the clock was set back
				wait = 0
			}
			if wait <= 0 {
				wait, x.Next, x.Busy = 0, now.Add(pollEvery).UnixMilli(), false
			}
		})
		if err != nil || wait == 0 {
			return 0, false, err
		}
		if time.Now().Add(wait).After(until) {
			return wait, busy, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
}

// asked notes what an answer of plex.tv means to whoever asks next: if it was a wish to
// wait, nobody asks before. The error is returned with the time that is waited.
func (s *session) asked(ctx context.Context, err error) error {
	var e *plex.TVError
	if !errors.As(err, &e) || e.Problem != plex.TVBusy {
		return err
	}
	e.Wait = min(max(cmp.Or(e.Wait, usualBusy), pollEvery), maxBusy)
	if noted := s.changeSignIn(ctx, func(x *sharedSignIn) {
		x.Next, x.Busy = max(x.Next, time.Now().Add(e.Wait).UnixMilli()), true
	}); noted != nil {
		return noted
	}
	return err
}

// plexTV is a client of plex.tv, as the device that Plex knows already.
func (s *session) plexTV(ctx context.Context) (*plex.TV, string, error) {
	device, err := s.db.MetaOnce(ctx, metaClient, newClientID())
	if err != nil {
		return nil, "", err
	}
	tv, err := plex.NewTV(plex.TVOptions{ClientID: device, Version: version, URL: os.Getenv(tvVariable)})
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", tvVariable, err)
	}
	return tv, device, nil
}

// signIn starts a sign-in with Plex: it makes a code that you confirm on Plex's page.
func (s *session) signIn(ctx context.Context, _ NoArguments) (SignIn, error) {
	tv, _, err := s.plexTV(ctx)
	if err != nil {
		return SignIn{}, err
	}
	if wait, busy, err := s.turn(ctx, pollPatience); err != nil {
		return SignIn{}, err
	} else if busy {
		return SignIn{}, errors.New(busyFor(wait))
	} else if wait > 0 {
		return SignIn{}, errors.New(othersSignIn)
	}
	pin, err := tv.NewPin(ctx)
	if err = s.asked(ctx, err); err != nil {
		return SignIn{}, err
	}
	expires := time.Now().Add(pin.Left)
	err = s.changeSignIn(ctx, func(x *sharedSignIn) {
		x.Pins = append(x.Pins, startPin{pin.ID, expires.UnixMilli()})
		x.Pins = x.Pins[max(0, len(x.Pins)-keptPins):]
	})
	return SignIn{ID: pin.ID, URL: tv.Page(pin), Expires: Time{expires}, Left: wholeSeconds(pin.Left)}, err
}

const othersSignIn = "Others are signing in at this moment: try again in a few seconds"

func busyFor(wait time.Duration) string {
	return fmt.Sprintf("plex.tv gets too many requests and asks PlexSync to wait: try again in %s", several(wholeSeconds(wait), "second", "seconds"))
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int { return int(math.Ceil(max(d, 0).Seconds())) }

// account is what is known of a sign-in: the token of the person's account once it is
// confirmed.
type account struct {
	tv       *plex.TV
	device   string
	token    plex.Secret
	expires  time.Time
	progress SignInProgress // what to answer unless there is a token
	unasked  bool           // plex.tv was not asked, because it was not our turn
}

// account asks plex.tv whether a sign-in was confirmed. What a person can be told, and
// what may be gone in a moment, is a state and no error.
func (s *session) account(ctx context.Context, id int64, patience time.Duration) (account, error) {
	var a account
	var expires time.Time
	if err := s.changeSignIn(ctx, func(x *sharedSignIn) {
		if i := slices.IndexFunc(x.Pins, func(p startPin) bool { return p.ID == id }); i >= 0 {
			expires = time.UnixMilli(x.Pins[i].Expires)
		}
	}); err != nil {
		return a, err
	}
	if expires.IsZero() {
		a.progress = SignInProgress{State: SignInExpired, Message: "This sign-in is not known here, or no longer: start it again"}
		return a, nil
	}
	var err error
	if a.tv, a.device, err = s.plexTV(ctx); err != nil {
		return a, err
	}
	wait, busy, err := s.turn(ctx, patience)
	if err != nil {
		return a, err
	}
	if wait > 0 {
		message := ""
		if busy {
			message = busyFor(wait)
		}
		a.progress, a.unasked = waiting(expires, message, wait), true
		return a, nil
	}
	token, left, err := a.tv.Confirmed(ctx, id)
	if err = s.asked(ctx, err); err != nil {
		a.progress, err = stuck(err, expires)
		return a, err
	}
	s.handler.AddSecret(token.Reveal())
	// By plex.tv's own account: our clock may have been set since.
	expires = time.Now().Add(left)
	a.token, a.expires, a.progress = token, expires, waiting(expires, "", pollEvery)
	return a, nil
}

// waiting is a sign-in that waits until expires, and is to be asked for again after wait.
func waiting(expires time.Time, message string, wait time.Duration) SignInProgress {
	left := wholeSeconds(time.Until(expires))
	if left == 0 {
		return SignInProgress{State: SignInExpired, Message: "The code for signing in has expired: start the sign-in again"}
	}
	return SignInProgress{State: SignInWaiting, Message: message, Expires: Time{expires}, Left: left, Poll: max(1, wholeSeconds(wait))}
}

// stuck is a sign-in of which plex.tv says nothing good. An error that is not plex.tv's is
// returned.
func stuck(err error, expires time.Time) (SignInProgress, error) {
	var e *plex.TVError
	switch {
	case !errors.As(err, &e):
		return SignInProgress{}, err
	case e.Problem == plex.TVExpired:
		return SignInProgress{State: SignInExpired, Message: e.Error()}, nil
	case e.Problem == plex.TVRefused:
		return SignInProgress{State: SignInRefused, Message: e.Error()}, nil
	case e.Problem == plex.TVBusy:
		return waiting(expires, busyFor(e.Wait), e.Wait), nil
	}
	return waiting(expires, e.Error(), retryTrouble), nil
}

// retryTrouble is when a page asks again if plex.tv has a problem.
const retryTrouble = 3 * time.Second

// signInPoll shows how far a sign-in has come. Once you have signed in, it lists your
// servers and tries their addresses, for a few seconds.
func (s *session) signInPoll(ctx context.Context, q SignInRequest) (SignInProgress, error) {
	a, err := s.account(ctx, q.ID, pollPatience)
	if err != nil || a.token == "" {
		return a.progress, err
	}
	found, err := s.servers(ctx, a)
	if err != nil {
		return stuck(err, a.expires)
	}
	known, err := s.db.Meta(ctx, store.MetaMachine)
	if err != nil {
		return SignInProgress{}, err
	}
	p := SignInProgress{State: SignInReady, Expires: Time{a.expires}, Left: wholeSeconds(time.Until(a.expires))}
	for i, tried := range (plex.Prober{}).TryAll(ctx, found) {
		p.Servers = append(p.Servers, s.offer(found[i], tried, known))
	}
	if ctx.Err() != nil {
		return SignInProgress{}, ctx.Err()
	}
	p.choose()
	return p, nil
}

// servers lists an account's servers, with the addresses at which they may be tried: none
// of others' servers, which cannot be used, and the one in the settings, which may be one
// that plex.tv does not know, such as that of a container.
func (s *session) servers(ctx context.Context, a account) ([]plex.Found, error) {
	found, err := a.tv.Servers(ctx, a.token)
	if err = s.asked(ctx, err); err != nil {
		return nil, err
	}
	saved, ok := plex.AddressOf(s.config.PlexURL, s.config.InsecureTLS)
	for i, f := range found {
		s.handler.AddSecret(f.Token.Reveal())
		switch {
		case !f.Owned:
			found[i].Addresses = nil
		case ok && !slices.ContainsFunc(f.Addresses, func(x plex.Address) bool { return x.URL == saved.URL }):
			found[i].Addresses = append(found[i].Addresses, saved)
		}
	}
	return found, nil
}

// offer is a server for a person to choose, or why it cannot be chosen. known is the
// machine that is synced now.
func (s *session) offer(f plex.Found, tried []plex.Tried, known string) SignInServer {
	o := SignInServer{Machine: f.Machine, Name: f.Name, Version: f.Version, Owned: f.Owned, Owner: f.Owner, Current: f.Machine == known}
	saved, _ := plex.AddressOf(s.config.PlexURL, false)
	for _, t := range tried {
		x := SignInAddress{URL: t.URL, Place: placeOf(t.Place), Result: resultOf(t.Verdict), Usable: t.Verdict == plex.Answers, Message: t.Why,
			Verified: t.Verdict == plex.Answers && strings.HasPrefix(t.URL, "https:") && !t.Insecure, Saved: t.URL == saved.URL}
		if x.Usable {
			took := math.Round(t.Took.Seconds()*1000) / 1000
			x.Took, o.Version = &took, cmp.Or(t.Version, o.Version)
			o.Current = o.Current || known == "" && x.Saved
		}
		// A saved address that is not this server's is of no use here, and the person
		// who has chosen one that works goes on with it.
		switch {
		case x.Saved && x.Usable:
			o.Addresses = slices.Insert(o.Addresses, 0, x)
		case !x.Saved || o.Current:
			o.Addresses = append(o.Addresses, x)
		}
	}
	if o.Message = o.unusable(f); o.Message == "" {
		o.Usable = true
		o.URL = o.Addresses[slices.IndexFunc(o.Addresses, func(x SignInAddress) bool { return x.Usable })].URL
	}
	return o
}

// unusable is why a server cannot be chosen; "" if it can.
func (o SignInServer) unusable(f plex.Found) string {
	count := func(match func(SignInAddress) bool) (n int) {
		for _, x := range o.Addresses {
			if match(x) {
				n++
			}
		}
		return n
	}
	answering := count(func(x SignInAddress) bool { return x.Usable })
	tooOld := plex.CheckVersion(o.Version)
	const byHand = "enter its address by hand"
	switch n := len(o.Addresses); {
	case !o.Owned:
		by := ""
		if o.Owner != "" {
			by = " by " + o.Owner
		}
		return "Shared with you" + by + ": only its owner can edit metadata"
	case answering > 0 && tooOld != nil:
		return upperFirst(tooOld.Error())
	case answering > 0 && f.Token == "":
		return "plex.tv gives no access to this server at the moment: sign in again in a few minutes"
	case answering > 0:
		return ""
	case n == 0:
		return "plex.tv knows no address of this server: start it and check that it is signed in, or " + byHand
	case count(func(x SignInAddress) bool { return x.Place == PlaceRelay }) == n:
		return "This server can be reached only over Plex's relay, which is too slow to sync: make it reachable from Stash, or " + byHand
	case count(func(x SignInAddress) bool { return x.Result == AddressSkipped }) == n:
		return "This server has no address that is safe to use: allow secure connections in Plex under Settings > Network, or " + byHand
	case count(func(x SignInAddress) bool { return x.Result == AddressNoName || x.Result == AddressSkipped }) == n:
		return "None of its names can be looked up from Stash: allow plex.direct in your router or DNS server (it protects against DNS rebinding), or " + byHand
	default:
		return fmt.Sprintf("Does not answer from Stash (tried %s). Check that it is running and that no firewall is in between. If Plex runs in Docker, "+
			"publish its port 32400 and add the host's address in Plex under Settings > Network > Custom server access URLs, or %s",
			several(n-count(func(x SignInAddress) bool { return x.Result == AddressSkipped }), "address", "addresses"), byHand)
	}
}

// several is a count with its noun.
func several(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// upperFirst begins a sentence.
func upperFirst(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// choose picks what is chosen unless the person chooses another: the server that is synced
// now, else the one with the best address.
func (p *SignInProgress) choose() {
	best := -1
	rank := func(o SignInServer) int {
		if o.Current {
			return -1
		}
		i := slices.IndexFunc(o.Addresses, func(x SignInAddress) bool { return x.URL == o.URL })
		switch x := o.Addresses[i]; {
		case x.Place == PlaceLocal && x.Verified:
			return 0
		case x.Place == PlaceLocal:
			return 1
		}
		return 2
	}
	owned := 0
	for i, o := range p.Servers {
		if o.Owned {
			owned++
		}
		if o.Usable && (best < 0 || rank(o) < rank(p.Servers[best])) {
			best = i
		}
	}
	switch {
	case best >= 0:
		p.Machine, p.URL = p.Servers[best].Machine, p.Servers[best].URL
	case len(p.Servers) == 0:
		p.Message = "This Plex account has no server: sign in with the account of the server's owner"
	case owned == 0:
		p.Message = "The servers of this Plex account are only shared with it: sign in with the account of the server's owner, who alone can edit metadata"
	default:
		p.Message = "None of your servers can be used yet: see why below each"
	}
}

// signInChoose saves the address and the token of a server in the settings, and keeps all
// other settings as they are. The server must answer at the address and accept the token.
// Choosing the same again changes nothing.
func (s *session) signInChoose(ctx context.Context, q SignInChoice) (SignedIn, error) {
	a, err := s.account(ctx, q.ID, choosePatience)
	if err != nil {
		return SignedIn{}, err
	}
	switch {
	case a.token != "":
	case a.unasked:
		return SignedIn{}, errors.New(cmp.Or(a.progress.Message, othersSignIn))
	default:
		return SignedIn{}, errors.New(cmp.Or(a.progress.Message, "You have not signed in on Plex's page yet"))
	}
	found, err := s.servers(ctx, a)
	if err != nil {
		return SignedIn{}, err
	}
	i := slices.IndexFunc(found, func(f plex.Found) bool { return f.Machine == q.Machine })
	if i < 0 {
		return SignedIn{}, errors.New("argument machine: your Plex account has no such server")
	}
	f := found[i]
	j := slices.IndexFunc(f.Addresses, func(x plex.Address) bool { return x.URL == q.URL })
	switch {
	case !f.Owned:
		return SignedIn{}, errors.New(SignInServer{Owner: f.Owner}.unusable(f))
	case j < 0:
		// The token goes to no address that a caller made up.
		return SignedIn{}, errors.New("argument url: this server has no such address")
	}
	// Once more before the token goes there: a page can be left open for long.
	tried := plex.Prober{}.Try(ctx, f.Machine, f.Addresses[j])
	o := s.offer(plex.Found{Machine: f.Machine, Name: f.Name, Owned: true, Token: f.Token}, []plex.Tried{tried}, f.Machine)
	switch {
	case ctx.Err() != nil:
		return SignedIn{}, ctx.Err()
	case tried.Verdict != plex.Answers:
		return SignedIn{}, fmt.Errorf("The address %s %s", q.URL, tried.Why)
	case !o.Usable:
		return SignedIn{}, errors.New(o.Message)
	}
	if err := s.accepts(ctx, a.device, tried, f.Token); err != nil {
		return SignedIn{}, err
	}
	return s.save(ctx, a.device, f, tried)
}

// accepts makes sure that a server takes a token for its owner's.
func (s *session) accepts(ctx context.Context, device string, at plex.Tried, token plex.Secret) error {
	px, err := plex.New(plex.Options{URL: at.URL, Token: token.Reveal(), ClientID: device, Version: version, InsecureTLS: at.Insecure})
	if err != nil {
		return err
	}
	_, err = px.Server(ctx)
	if job.ClassOf(err) == job.ClassUnauthorized {
		return errors.New("The server does not accept the sign-in: check in Plex that it is signed in to your account and connected to the internet, then start again")
	}
	if err != nil {
		return fmt.Errorf("Nothing was saved. %w", err)
	}
	// An error says nothing about the owner; that the account owns it, plex.tv has said.
	if owner, err := px.Owner(ctx); err == nil && !owner {
		return errors.New("The server does not take this account for its owner's: sign in with the account of the server's owner")
	} else if job.Interrupted(ctx, err) {
		return err
	}
	return nil
}

// save writes what was chosen into Stash's settings.
func (s *session) save(ctx context.Context, device string, f plex.Found, at plex.Tried) (SignedIn, error) {
	changes := map[string]any{tokenSetting: f.Token.Reveal()}
	if saved, ok := plex.AddressOf(s.config.PlexURL, false); !ok || saved.URL != at.URL {
		changes["plexUrl"] = at.URL // else it stays as the person typed it
	}
	merged := maps.Clone(s.raw)
	if merged == nil {
		merged = map[string]any{}
	}
	maps.Copy(merged, changes)
	_, problems := parseSettings(merged)
	if i := slices.IndexFunc(problems, func(p config.Problem) bool { return changes[p.Setting] != nil }); i >= 0 {
		return SignedIn{}, fmt.Errorf("Nothing was saved: plex.tv gave a value that PlexSync cannot use (%s)", problems[i].Setting)
	}
	// Before it is saved, so that a token of ours is known as such whenever we are killed.
	if err := s.noteMade(ctx, fingerprint(device, f.Token), true); err != nil {
		return SignedIn{}, err
	}
	changed, err := s.stash.Configure(ctx, changes)
	return SignedIn{Changed: changed, Machine: f.Machine, Name: f.Name, Version: cmp.Or(at.Version, f.Version), URL: at.URL}, err
}

// noteMade remembers a fingerprint, or forgets it.
func (s *session) noteMade(ctx context.Context, print string, made bool) error {
	_, err := s.db.ChangeMeta(ctx, metaMade, func(old string) string {
		all := slices.DeleteFunc(strings.Fields(old), func(p string) bool { return p == print })
		if made {
			all = append(all, print)
		}
		return strings.Join(all[max(0, len(all)-keptMade):], " ")
	})
	return err
}

func logSignedIn(s *session, a SignedIn) {
	s.log.Info(fmt.Sprintf("Signed in. The server %q at %s is saved in the settings", a.Name, a.URL))
}

// fingerprint recognizes a token, and tells nothing about it.
func fingerprint(device string, token plex.Secret) string {
	sum := sha256.Sum256([]byte(device + "\x00" + token.Reveal()))
	return hex.EncodeToString(sum[:16])
}

// signOut revokes the token in the settings and removes it, if a sign-in made it. One that
// was entered by hand is left as it is.
func (s *session) signOut(ctx context.Context, _ NoArguments) (SignedOut, error) {
	const device = `"` + plex.DeviceName + `" in Plex under Settings > Authorized Devices`
	token := plex.Secret(s.config.PlexToken.Reveal())
	if token == "" {
		return SignedOut{Message: "You are not signed in: there is no token in the settings"}, nil
	}
	tv, id, err := s.plexTV(ctx)
	if err != nil {
		return SignedOut{}, err
	}
	made, err := s.db.Meta(ctx, metaMade)
	if err != nil {
		return SignedOut{}, err
	}
	if !slices.Contains(strings.Fields(made), fingerprint(id, token)) {
		return SignedOut{Message: "Nothing was changed: the token in the settings was entered by hand. To remove it, clear it in the settings"}, nil
	}
	out := SignedOut{Revoked: true, Message: "Signed out: the token is revoked and removed from the settings"}
	err = tv.SignOut(ctx, token)
	var e *plex.TVError
	switch {
	case errors.As(err, &e) && e.TokenRefused():
		// Revoked before, by a person or by us, or one that plex.tv leaves to the server.
		out = SignedOut{Message: "Signed out: the token is removed from the settings. plex.tv did not know it any more; if it still lists " + device + ", remove it there"}
	case err != nil:
		return SignedOut{}, fmt.Errorf("Nothing was changed. %w. You can also remove %s", err, device)
	}
	if out.Removed, err = s.stash.Configure(ctx, map[string]any{tokenSetting: nil}); err != nil {
		return SignedOut{}, err
	}
	return out, s.noteMade(ctx, fingerprint(id, token), false)
}

func logSignedOut(s *session, a SignedOut) {
	level := slog.LevelInfo
	if !a.Removed {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, a.Message)
}
