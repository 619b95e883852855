package simplex

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A kind says how a request counts.
type kind int

const (
	read kind = iota
	write
	upload
	probe
	scan
)

func (k kind) writes() bool { return k == write || k == upload }

// A route is a method and a pattern, in which {…} stands for one segment.
type route struct {
	method, pattern string
	kind            kind
	// anyone: not only the owner may. A rating belongs to whom it is by; the
	// accounts are the owner's (home-assistant/core issue 181394).
	anyone bool
	// serve answers while the library is locked, for reading if the kind is
	// read. img is the picture of an upload.
	serve func(c *call, img []byte) answer
}

func (r route) name() string {
	if r.serve == nil {
		return ""
	}
	return r.method + " " + r.pattern
}

const scanPattern = "/library/sections/{id}/refresh"

// look makes a route of a handler that needs no picture.
func look(f func(*call) answer) func(*call, []byte) answer {
	return func(c *call, _ []byte) answer { return f(c) }
}

// routes lists what is simulated; of those that fit, the first counts.
var routes = []route{
	{"GET", "/identity", probe, true, look((*call).identity)},
	{"GET", "/", read, true, look((*call).root)},
	{"GET", "/accounts", read, false, look((*call).accounts)},
	{"GET", "/activities", read, true, look((*call).activities)},
	{"GET", "/library", read, true, look((*call).library)},
	{"GET", "/library/sections", read, true, look((*call).listSections)},
	{"GET", "/library/sections/all", read, true, look((*call).listSections)},
	{"GET", "/library/sections/{id}/all", read, true, look((*call).listAll)},
	{"PUT", "/library/sections/{id}/all", write, false, look((*call).editSection)},
	{"GET", "/library/sections/{id}/collections", read, true, look((*call).listCollections)},
	// python-plexapi and @ctrl/plex scan with GET, the description says POST.
	{"GET", scanPattern, scan, false, look((*call).scanSection)},
	{"POST", scanPattern, scan, false, look((*call).scanSection)},
	{"GET", "/library/sections/{id}/{tags}", read, true, look((*call).listTags)},
	{"GET", "/library/collections/{id}/children", read, true, look((*call).children)},
	{"GET", "/library/collections/{id}/items", read, true, look((*call).children)},
	{"DELETE", "/library/collections/{id}/items/{key}", write, false, look((*call).leaveCollection)},
	{"GET", "/library/metadata/{ids}", read, true, look((*call).details)},
	{"PUT", "/library/metadata/{ids}", write, false, look((*call).editItems)},
	{"GET", "/library/metadata/{id}/children", read, true, look((*call).children)},
	{"PUT", "/library/metadata/{id}/refresh", scan, false, look((*call).refreshItem)},
	{"GET", "/library/metadata/{id}/file", read, true, look((*call).file)},
	{"GET", "/library/metadata/{id}/thumb/{at}", read, true, look(slotPoster.serveSelected)},
	{"GET", "/library/metadata/{id}/art/{at}", read, true, look(slotArt.serveSelected)},
	{"GET", "/library/metadata/{id}/posters", read, true, look(slotPoster.list)},
	{"GET", "/library/metadata/{id}/arts", read, true, look(slotArt.list)},
	{"POST", "/library/metadata/{id}/posters", upload, false, slotPoster.upload},
	{"POST", "/library/metadata/{id}/arts", upload, false, slotArt.upload},
	// There is no way to take one upload away again.
	{"DELETE", "/library/metadata/{id}/posters", write, false, look(notFound)},
	{"DELETE", "/library/metadata/{id}/arts", write, false, look(notFound)},
	{"PUT", "/library/metadata/{id}/poster", write, false, look(slotPoster.choose)},
	{"PUT", "/library/metadata/{id}/art", write, false, look(slotArt.choose)},
	// The description says PUT; @ctrl/plex and older clients use GET.
	{"PUT", "/:/rate", write, true, look((*call).rate)},
	{"GET", "/:/rate", write, true, look((*call).rate)},
}

// match finds the route of a request. A path that is known only under other
// methods has no route.
func match(method, urlPath string) (route, []string) {
	segments := strings.Split(strings.Trim(urlPath, "/"), "/")
next:
	for _, r := range routes {
		if r.method != method {
			continue
		}
		pattern := strings.Split(strings.Trim(r.pattern, "/"), "/")
		if len(pattern) != len(segments) {
			continue
		}
		var args []string
		for i, p := range pattern {
			switch {
			case strings.HasPrefix(p, "{"):
				args = append(args, segments[i])
			case p != segments[i]:
				continue next
			}
		}
		return r, args
	}
	return route{}, nil
}

func notFound(*call) answer { return page(http.StatusNotFound) }

// done is the answer to an edit: 200 and nothing.
func done() answer { return answer{status: http.StatusOK} }

func container(size int) *node {
	n := element("MediaContainer")
	n.set("size", size)
	return n
}

func (c *call) identity() answer {
	n := container(0)
	n.set("claimed", true)
	n.set("machineIdentifier", c.opt.MachineID)
	n.set("version", c.opt.Version)
	return c.show(n)
}

func (c *call) root() answer {
	n := container(1)
	if !c.opt.NoDeletionFlag {
		n.set("allowMediaDeletion", true)
	}
	n.set("allowSharing", true)
	n.set("allowSync", true)
	n.set("claimed", true)
	n.set("eventStream", true)
	n.set("friendlyName", c.opt.Name)
	n.set("machineIdentifier", c.opt.MachineID)
	n.set("multiuser", true)
	n.set("myPlex", true)
	n.set("myPlexMappingState", "mapped")
	n.set("myPlexSigninState", "ok")
	n.set("myPlexSubscription", false)
	n.set("myPlexUsername", "owner@example.com")
	n.set("ownerFeatures", "federated-auth,home,loudness,lyrics,server-manager")
	n.set("platform", "Linux")
	n.set("platformVersion", "6.1")
	n.set("readOnlyLibraries", false)
	n.set("sync", true)
	n.set("updatedAt", c.s.now())
	n.set("version", c.opt.Version)
	n.add(element("Directory", attr{"count", 1}, attr{"key", "library"}, attr{"title", "library"}))
	return c.show(n)
}

func (c *call) accounts() answer {
	n := container(1)
	n.set("identifier", "com.plexapp.system.accounts")
	n.add(element("Account", attr{"id", 1}, attr{"key", "/accounts/1"}, attr{"name", "owner"}, attr{"thumb", ""}))
	return c.show(n)
}

func (c *call) library() answer {
	n := container(1)
	n.set("identifier", identifier)
	n.set("title1", "Plex Library")
	n.add(element("Directory", attr{"key", "sections"}, attr{"title", "Library Sections"}))
	return c.show(n)
}

// identifier is the plugin that the library is, for historical reasons.
const identifier = "com.plexapp.plugins.library"

func (c *call) listSections() answer {
	n := container(len(c.s.sections))
	n.set("allowSync", false)
	n.set("title1", "Plex Library")
	for _, sec := range c.s.sections {
		d := element("Directory")
		d.set("allowSync", true)
		d.set("filters", true)
		d.set("refreshing", c.s.refreshing(sec))
		d.set("key", strconv.FormatInt(sec.key, 10))
		d.set("type", sec.spec.Type)
		d.set("title", sec.spec.Title)
		d.set("agent", sec.spec.Agent)
		d.set("scanner", sec.spec.Scanner)
		d.set("language", sec.spec.Language)
		d.set("uuid", sec.uuid)
		d.set("updatedAt", sec.updatedAt)
		d.set("createdAt", sec.createdAt)
		d.set("scannedAt", sec.scannedAt)
		d.set("content", true)
		d.set("directory", true)
		d.set("contentChangedAt", sec.contentChangedAt)
		d.set("hidden", 0)
		for i, path := range sec.spec.Locations {
			d.add(element("Location", attr{"id", sec.key*100 + int64(i)}, attr{"path", path}))
		}
		n.add(d)
	}
	return c.show(n)
}

// running is a scan that takes its time.
type running struct {
	section *section
	path    string
	id      int64
	until   time.Time
}

func (s *Server) refreshing(sec *section) bool {
	return slices.ContainsFunc(s.scanning, func(r *running) bool { return r.section == sec })
}

// settle ends the scans whose time has come. It is called before anything
// looks at the library, so that no goroutine is needed.
func (s *Server) settle() {
	s.mu.RLock()
	idle := len(s.scanning) == 0
	s.mu.RUnlock()
	if idle {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opt.Now()
	s.scanning = slices.DeleteFunc(s.scanning, func(r *running) bool {
		if r.until.After(now) {
			return false
		}
		s.find(r.section, r.path)
		return true
	})
}

// find makes items of what is on disk in or below a folder, of everything if
// the path is empty.
func (s *Server) find(sec *section, folder string) {
	sec.scannedAt = s.now()
	var rest []ItemSpec
	for _, spec := range sec.onDisk {
		if within(spec.Parts[0].File, folder) && slices.ContainsFunc(sec.spec.Locations,
			func(location string) bool { return within(spec.Parts[0].File, location) }) {
			s.addItem(sec, spec)
		} else {
			rest = append(rest, spec)
		}
	}
	sec.onDisk = rest
}

// within reports whether a file is below a folder, with either separator.
func within(file, folder string) bool {
	slashed := func(p string) string { return path.Clean(strings.ReplaceAll(p, `\`, "/")) }
	if folder == "" {
		return true
	}
	return strings.HasPrefix(slashed(file), strings.TrimSuffix(slashed(folder), "/")+"/")
}

func (c *call) scanSection() answer {
	sec := c.s.sectionByKey(c.args[0])
	if sec == nil {
		return page(http.StatusNotFound)
	}
	folder, _ := first(c.query, "path")
	if force, _ := first(c.query, "force"); force == "1" {
		c.s.violate(c, "a full metadata refresh of a section")
	}
	c.s.scanning = append(c.s.scanning, &running{sec, folder, c.s.newID(), c.opt.Now().Add(c.opt.ScanTime)})
	return done()
}

// refreshItem has no agent to ask.
func (c *call) refreshItem() answer {
	if c.s.items[parseKey(c.args[0])] == nil {
		return page(http.StatusNotFound)
	}
	return done()
}

func (c *call) activities() answer {
	n := container(len(c.s.scanning))
	for _, r := range c.s.scanning {
		n.add(element("Activity", attr{"uuid", "00000000-0000-4000-8000-" + lastDigits(r.id, 12)},
			attr{"type", "library.update.section"}, attr{"cancellable", true}, attr{"userID", 1},
			attr{"title", "Scanning " + r.section.spec.Title}, attr{"subtitle", r.path}, attr{"progress", -1}))
	}
	return c.show(n)
}

func lastDigits(n int64, width int) string {
	s := strings.Repeat("0", width) + strconv.FormatInt(n, 10)
	return s[len(s)-width:]
}
