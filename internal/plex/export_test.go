package plex

// LimitListings makes listings end after that many bytes, so that a test need not
// send a gigabyte.
func (c *Client) LimitListings(bytes int64) { c.listing = bytes }
