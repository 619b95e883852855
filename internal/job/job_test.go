package job

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fail(class Class) error {
	return fmt.Errorf("work on scene 1: %w", &Error{Class: class, Op: "edit item 7", Status: 500, Err: errors.New("cause"), Hint: "Do this"})
}

func TestDelaysDoubleUpToTheirBound(t *testing.T) {
	for _, c := range []struct {
		class Class
		whole []time.Duration // with full jitter
	}{
		{ClassBusy, []time.Duration{5, 10, 20, 40, 80, 160, 320, 600, 600}},
		{ClassInternal, []time.Duration{5, 10, 20, 40, 80}},
		{ClassNotInPlex, []time.Duration{30, 60, 120, 240, 480, 600, 600}},
		{ClassUnreachable, []time.Duration{15, 30, 60, 60}},
	} {
		p := c.class.Retry(0)
		for i, want := range c.whole {
			want *= time.Second
			if got := p.Delay(i+1, 1); got != want {
				t.Errorf("%s: delay after %d failures is %v, want %v", c.class, i+1, got, want)
			}
			if got := p.Delay(i+1, 0); got != want/2 {
				t.Errorf("%s: least delay after %d failures is %v, want half of %v", c.class, i+1, got, want)
			}
		}
	}
	p := ClassBusy.Retry(0)
	for _, jitter := range []float64{-1, 2, math.NaN(), math.Inf(1), 0.3} {
		for _, failures := range []int{-5, 0, 1, 1000000} {
			if d := p.Delay(failures, jitter); d < p.Base/2 || d > p.Max {
				t.Errorf("Delay(%d, %v) = %v, out of bounds", failures, jitter, d)
			}
		}
	}
}

func TestAnOutcomeFollowsFromTheClass(t *testing.T) {
	closed := Breaker{State: BreakerClosed}
	out := Breaker{State: BreakerOpen, NextProbe: t0.Add(40 * time.Second)}
	retryAfter := func(d time.Duration) error {
		return &Error{Class: ClassBusy, Op: "x", Status: 429, RetryAfter: d}
	}
	for _, c := range []struct {
		name    string
		job     Job
		err     error
		policy  Policy
		breaker Breaker
		verdict Verdict
		after   time.Duration // of Outcome.At, 0 = none
		missing bool
	}{
		{"success", Job{}, nil, Policy{}, closed, Done, 0, false},
		{"gone", Job{}, fail(ClassGone), Policy{}, closed, Gone, 0, false},
		{"first busy", Job{}, fail(ClassBusy), Policy{}, closed, Retry, 5 * time.Second, false},
		{"fifth busy", Job{Attempt: 4}, fail(ClassBusy), Policy{}, closed, Retry, 80 * time.Second, false},
		{"sixth busy", Job{Attempt: 5}, fail(ClassBusy), Policy{}, closed, Dead, 0, false},
		{"second busy of one retry", Job{Attempt: 1}, fail(ClassBusy), Policy{MaxRetries: 1}, closed, Dead, 0, false},
		{"busy with Retry-After", Job{}, retryAfter(2 * time.Minute), Policy{}, closed, Retry, 2 * time.Minute, false},
		{"busy with an absurd Retry-After", Job{}, retryAfter(1000 * time.Hour), Policy{}, closed, Retry, MaxRetryAfter, false},
		{"a bug", Job{}, errors.New("no class"), Policy{}, closed, Retry, 5 * time.Second, false},
		{"not in Plex", Job{Attempt: 5}, fail(ClassNotInPlex), Policy{}, closed, Retry, 30 * time.Second, true},
		{"not in Plex for the twelfth time", Job{Missing: 11}, fail(ClassNotInPlex), Policy{}, closed, Retry, 10 * time.Minute, true},
		{"not in Plex for the last time", Job{Missing: 12}, fail(ClassNotInPlex), Policy{}, closed, Dead, 0, true},
		{"not in a Plex that holds a part", Job{}, fail(ClassNotInPlex), Policy{PlexIsSubset: true}, closed, Unchanged, 0, false},
		{"ambiguous", Job{}, fail(ClassAmbiguous), Policy{}, closed, Dead, 0, false},
		{"rejected", Job{}, fail(ClassRejected), Policy{}, closed, Dead, 0, false},
		{"unreadable in Stash", Job{Attempt: 2}, fail(ClassUnreadable), Policy{}, out, Retry, 20 * time.Second, false},
		{"unreadable for good", Job{Attempt: 5}, fail(ClassUnreadable), Policy{}, out, Dead, 0, false},
		{"joined with another scene's file", Job{Attempt: 2}, fail(ClassJoined), Policy{PlexIsSubset: true}, out, Dead, 0, false},
		{"unreachable", Job{Attempt: 99}, fail(ClassUnreachable), Policy{}, closed, Wait, 15 * time.Second, false},
		{"unreachable in an outage", Job{}, fail(ClassUnreachable), Policy{}, out, Wait, 40 * time.Second, false},
		{"unauthorized", Job{}, fail(ClassUnauthorized), Policy{}, out, Wait, 40 * time.Second, false},
		{"Stash is out", Job{}, fail(ClassStashUnreachable), Policy{}, closed, Wait, 15 * time.Second, false},
	} {
		o := Decide(c.job, c.err, t0, c.policy, c.breaker, 1)
		var after time.Duration
		if !o.At.IsZero() {
			after = o.At.Sub(t0)
		}
		if o.Verdict != c.verdict || after != c.after || o.Missing != c.missing {
			t.Errorf("%s: %s after %v (missing %v), want %s after %v (missing %v)", c.name, o.Verdict, after, o.Missing, c.verdict, c.after, c.missing)
		}
	}
}

func TestTheBreakerOpensAfterFiveCountingFailures(t *testing.T) {
	b := Breaker{System: Plex}
	for _, class := range []Class{ClassBusy, ClassUnreadable, ClassRejected, ClassAmbiguous, ClassNotInPlex, ClassJoined, ClassInternal, ClassGone} {
		for range 10 {
			b = b.Failure(t0, class, "item")
		}
	}
	if !b.Closed() || b.Failures != 0 {
		t.Fatalf("errors of items count: %+v", b)
	}
	for range BreakerThreshold - 1 {
		b = b.Failure(t0, ClassUnreachable, "refused")
	}
	if !b.Closed() {
		t.Fatalf("open after %d failures", b.Failures)
	}
	if b = b.Success(); b.Failures != 0 {
		t.Fatal("a success does not count the failures anew")
	}
	for range BreakerThreshold {
		b = b.Failure(t0, ClassUnreachable, "refused")
	}
	want := Breaker{System: Plex, State: BreakerOpen, Failures: 5, OpenedAt: t0, NextProbe: t0.Add(15 * time.Second), Cause: ClassUnreachable, Message: "refused"}
	if b != want {
		t.Errorf("%+v, want %+v", b, want)
	}
}

func TestAnAuthorisationFailureOpensAtOnce(t *testing.T) {
	if b := (Breaker{}).Failure(t0, ClassUnauthorized, "401"); b.State != BreakerOpen {
		t.Errorf("%+v", b)
	}
}

func TestProbesComeLessOftenWhileItIsOpen(t *testing.T) {
	b := Breaker{}.Failure(t0, ClassUnauthorized, "401")
	now := t0
	for i, pause := range []time.Duration{15, 30, 60, 60, 60} {
		pause *= time.Second
		if b.ProbeDue(now.Add(pause - time.Millisecond)) {
			t.Errorf("probe %d is due before %v", i+1, pause)
		}
		now = now.Add(pause)
		if !b.ProbeDue(now) {
			t.Fatalf("probe %d is not due after %v", i+1, pause)
		}
		b = b.Probing(now).ProbeFailed(ClassUnreachable, "refused")
	}
	if !b.OpenedAt.Equal(t0) || b.Cause != ClassUnreachable {
		t.Errorf("the outage began at %v with %s", b.OpenedAt, b.Cause)
	}
	if back := t0.AddDate(-1, 0, 0); !b.ProbeDue(back) {
		t.Error("a clock that was set back parks the probe")
	}
}

func TestOneJobDecidesInHalfOpen(t *testing.T) {
	open := Breaker{System: Plex}.Failure(t0, ClassUnauthorized, "401")
	half := open.Probing(t0.Add(15 * time.Second)).ProbeSucceeded()
	if half.State != BreakerHalfOpen {
		t.Fatalf("%+v", half)
	}
	if got := half.Success(); got != (Breaker{System: Plex, State: BreakerClosed}) {
		t.Errorf("after a success: %+v", got)
	}
	if got := half.Failure(t0.Add(16*time.Second), ClassBusy, "item"); got != half {
		t.Errorf("an error of the item decides: %+v", got)
	}
	again := half.Failure(t0.Add(16*time.Second), ClassUnreachable, "refused")
	if again.State != BreakerOpen || !again.OpenedAt.Equal(t0) || !again.NextProbe.Equal(t0.Add(46*time.Second)) {
		t.Errorf("after a failure: %+v", again)
	}
}

func TestAnErrorTellsWhetherToTryAgain(t *testing.T) {
	for class, transient := range map[Class]bool{
		ClassUnreachable: true, ClassUnauthorized: true, ClassBusy: true, ClassNotInPlex: true,
		ClassUnreadable: true, ClassStashUnreachable: true, ClassInternal: true, ClassAmbiguous: false, ClassRejected: false, ClassJoined: false,
	} {
		err := fail(class)
		if errors.Is(err, ErrTransient) != transient || errors.Is(err, ErrPermanent) == transient {
			t.Errorf("%s: transient %v, permanent %v", class, errors.Is(err, ErrTransient), errors.Is(err, ErrPermanent))
		}
		if ClassOf(err) != class {
			t.Errorf("class %s is read as %s", class, ClassOf(err))
		}
	}
	if got, want := fail(ClassBusy).Error(), "work on scene 1: edit item 7: answered 500: cause. Do this"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if Interrupted(ctx, context.Canceled) {
		t.Error("interrupted although the context lives")
	}
	if cancel(); !Interrupted(ctx, fmt.Errorf("edit: %w", context.Canceled)) {
		t.Error("our own cancelling is not recognized")
	}
}

func TestWhatEndsByItselfIsListedApart(t *testing.T) {
	for class, apart := range map[Class]bool{ClassNotInPlex: true, ClassJoined: true, ClassAmbiguous: false, ClassRejected: false, ClassBusy: false, ClassInternal: false, ClassNone: false} {
		if class.Apart() != apart || slices.Contains(ApartClasses(), class) != apart {
			t.Errorf("%s: apart %v, want %v", class, class.Apart(), apart)
		}
	}
}

func TestALettersLogLineIsCutToEightyCharacters(t *testing.T) {
	l := Letter{ID: 3, Subject: Scene(12), Class: ClassAmbiguous, Error: strings.Repeat("é", 100)}
	if got, want := l.LogLine(), "DLQ #3: scene 12 - ambiguous: "+strings.Repeat("é", 80); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSubjectsFromOutsideAreChecked(t *testing.T) {
	for _, s := range []Subject{Scene(0), Scene(-1), {Kind: "gallery", ID: 1}, {Kind: KindLibrary, ID: 1}, {}} {
		if s.Validate() == nil {
			t.Errorf("%+v is taken", s)
		}
	}
	for s, text := range map[Subject]string{Scene(12): "scene 12", Library(): "library", {Kind: KindTag, ID: 1}: "tag 1"} {
		if err := s.Validate(); err != nil || s.String() != text {
			t.Errorf("%+v: %v, %q", s, err, s)
		}
	}
}

func TestAnErrorIsSentences(t *testing.T) {
	for cause, want := range map[string]string{"refused": "ask Plex: refused. Is it there?", "Refused.": "ask Plex: Refused. Is it there?"} {
		if got := (&Error{Op: "ask Plex", Err: errors.New(cause), Hint: "Is it there?"}).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
