package config

import (
	"maps"
	"slices"
)

// Type is what Stash's settings page edits a setting as; the word is that of the
// plugin's manifest.
type Type string

// The types that Stash has.
const (
	String  Type = "STRING"
	Boolean Type = "BOOLEAN"
	Number  Type = "NUMBER"
)

// Setting describes a setting. The manifest says the same, and a test compares
// them.
type Setting struct {
	Name string
	Type Type
	// Default is what an unset value means, in words; "" = nothing. Stash itself
	// knows no defaults: it shows what is unset as 0, off or empty, so every Boolean
	// is off.
	Default     string
	Description string
}

// Settings returns all settings, in the order of the manifest.
func Settings() []Setting {
	return []Setting{
		{"plexUrl", String, "", "For example http://192.168.1.10:32400, as seen from where Stash runs (in Docker, not localhost)."},
		{"plexToken", String, "", "The X-Plex-Token of the server's owner. It is sent in a header only and never logged."},
		{"pathRules", String, "", `How Stash's paths read in Plex, separated by semicolons. For example /data => /media; D:\videos => /videos. Empty if both see the same paths.`},
		{"plexLibraries", String, "", "Names of the libraries to sync, separated by commas. Empty for every library of movies."},
		{"fields", String, "title, summary, date, studio, director, performers, tags, collections, poster", "What is synced, separated by commas. Empty for title, summary, date, studio, director, performers, tags, collections, poster. Also: rating, background, labels, contentRating, originalTitle, tagline, sortTitle, photos. default stands for the first nine; -name takes one away."},
		{"collections", String, "studio", "What makes collections in Plex, separated by commas: studio, parents (of studios), groups. Empty for studio."},
		{"contentRating", String, "", "A content rating for every synced item, for example XXX. Empty for none."},
		{"labels", String, "", "Labels for every synced item, separated by commas. Empty for none."},
		{"paused", Boolean, "off", "Events are queued, nothing is written to Plex."},
		{"onlyOrganized", Boolean, "off", "Scenes that are not marked as organized are left alone."},
		{"excludeTags", String, "", "Scenes with one of these tags are left alone. Names or ids, separated by commas; * stands for anything."},
		{"keepPlexEdits", Boolean, "off", "What a person changed in Plex after PlexSync wrote it stays."},
		{"mirrorLists", Boolean, "off", "Genres, actors, directors and collections in Plex become exactly Stash's. Off, what others added stays."},
		{"leaveUnlocked", Boolean, "off", "Fields are not locked in Plex. A refresh by a Plex agent may then overwrite them."},
		{"plexIsSubset", Boolean, "off", "Scenes whose files Plex does not have are passed over without a report."},
		{"scanPlex", Boolean, "off", "Plex is asked to scan the folder of a file that it does not have yet."},
		{"insecureTLS", Boolean, "off", "For https addresses whose certificate does not name them. The token could then be read by who sits in between."},
		{"maxRetries", Number, "5", "How often a failing scene is tried again before it becomes a dead letter. 0 for 5."},
		{"dlqRetentionDays", Number, "30", "Dead letters older than this are deleted. 0 for 30."},
		{"compareEveryHours", Number, "24", "How often the whole library is compared with Plex. 0 for 24, -1 for never."},
		{"hidePaths", Boolean, "off", "Paths, titles and names are replaced in the log, for logs that you share."},
		{"verbose", Boolean, "off", "Tells in the log about every scene, changed or not."},
	}
}

// Names returns the names of all settings, in the order of the manifest.
func Names() []string {
	var all []string
	for _, s := range Settings() {
		all = append(all, s.Name)
	}
	return all
}

// Unknown returns the names in settings that Parse ignores, sorted: what another
// version of the plugin left over, as Stash keeps settings for good. They are worth
// a line for who looks for a fault, and no more.
func Unknown(settings map[string]any) []string {
	names := Names()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(settings)), func(name string) bool { return slices.Contains(names, name) })
}
