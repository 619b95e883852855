package main

import "github.com/plexsync/plexsync/internal/simplex"

// outages are the ways in which a Plex can be out. Package worker tests the same ones
// without processes, for three days each.
var outages = map[string]func(*simplex.Server){
	"maintenance":             func(p *simplex.Server) { p.Set(func(o *simplex.Options) { o.Maintenance = true }) },
	"refused":                 func(p *simplex.Server) { p.Set(func(o *simplex.Options) { o.Down = true }) },
	"hangs":                   func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, Hang: true}) },
	"500":                     func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, Status: 500}) },
	"HTML":                    func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, Status: 200, Body: "<html>router</html>"}) },
	"half a body":             func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, Cut: true}) },
	"reset after the request": func(p *simplex.Server) { p.Script(simplex.Rule{Count: -1, ResetAfter: true}) },
}

// back ends an outage.
func back(p *simplex.Server) {
	p.ClearScript()
	p.Set(func(o *simplex.Options) { o.Down, o.Maintenance = false, false })
}
