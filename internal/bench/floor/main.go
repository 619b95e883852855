// Command floor is the smallest Go program that queues one scene as durably as the
// plugin's hook does: what is faster than this is not possible in this language
// with this driver. The benchmark compares the hook with it.
package main

import (
	"database/sql"
	"os"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

func main() {
	db, err := sql.Open("sqlite3", "file:"+os.Args[1]+"?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=30000&_txlock=immediate")
	if err == nil {
		_, err = db.Exec(`INSERT INTO job (kind, subject_id, due_at) VALUES ('scene', ?, ?)
			ON CONFLICT (kind, subject_id) DO UPDATE SET due_at = excluded.due_at`, os.Args[2], time.Now().UnixMilli())
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	db.Close()
}
