package main

import (
	"context"
	"fmt"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/store"
)

// outageReport is what the mode outages returns. Durations are seconds.
type outageReport struct {
	Outages []store.Outage `json:"outages"` // of Plex, the newest first
	// Stash lists the outages of Stash.
	Stash []store.Outage `json:"stash_outages"`
	// MTTR is the mean length of the outages that ended, MTBF the mean time from
	// the end of one to the start of the next, Availability the share of the time
	// since the first outage in which Plex could be used. Null where there is too
	// little to tell.
	MTTR         *float64 `json:"mttr_seconds"`
	MTBF         *float64 `json:"mtbf_seconds"`
	Availability *float64 `json:"availability"`
}

// report computes the figures from outages of one system, the newest first.
func report(outages []store.Outage, now time.Time) outageReport {
	r := outageReport{Outages: outages}
	if r.Outages == nil {
		r.Outages = []store.Outage{}
	}
	if len(outages) == 0 {
		return r
	}
	var down, repaired, between time.Duration
	ended := 0
	for i, o := range outages {
		end := o.Ended
		if end.IsZero() {
			end = now
		} else {
			ended++
			repaired += max(0, end.Sub(o.Started))
		}
		down += max(0, end.Sub(o.Started))
		if i > 0 {
			between += max(0, outages[i-1].Started.Sub(end))
		}
	}
	if ended > 0 {
		r.MTTR = seconds(repaired / time.Duration(ended))
	}
	if n := len(outages) - 1; n > 0 {
		r.MTBF = seconds(between / time.Duration(n))
	}
	if all := now.Sub(outages[len(outages)-1].Started); all > 0 {
		a := max(0, 1-down.Seconds()/all.Seconds())
		r.Availability = &a
	}
	return r
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}

func (p *process) outages(ctx context.Context, s *session) (any, error) {
	all, err := s.db.Outages(ctx, 1000)
	if err != nil {
		return nil, err
	}
	var plex []store.Outage
	other := []store.Outage{}
	for _, o := range all {
		if o.System == job.Plex {
			plex = append(plex, o)
		} else {
			other = append(other, o)
		}
	}
	r := report(plex, time.Now())
	r.Stash = other
	if len(other) > 0 {
		p.log.Info(fmt.Sprintf("Outages of Stash itself: %d, the last began %s", len(other), other[0].Started.Local().Format(time.DateTime)))
	}
	if len(plex) == 0 {
		p.log.Info("No outage of Plex on record")
		return r, nil
	}
	for _, o := range plex[:min(len(plex), 20)] {
		line := fmt.Sprintf("%s: %s", o.Started.Local().Format(time.DateTime), o.Message)
		if o.Ended.IsZero() {
			p.log.Warn(line + " (it lasts)")
			continue
		}
		p.log.Info(fmt.Sprintf("%s; it lasted %s, %d jobs waited", line, o.Ended.Sub(o.Started).Round(time.Second), o.Waited))
	}
	p.log.Info(fmt.Sprintf("Mean time to recovery %s, mean time between outages %s, availability %s",
		span(r.MTTR), span(r.MTBF), percent(r.Availability)))
	return r, nil
}

func span(seconds *float64) string {
	if seconds == nil {
		return "unknown"
	}
	return (time.Duration(*seconds) * time.Second).String()
}

func percent(share *float64) string {
	if share == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.2f %%", 100**share)
}
