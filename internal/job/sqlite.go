package job

import (
	"context"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivershared/baseservice"
	"github.com/riverqueue/river/rivershared/riverpilot"
	"github.com/riverqueue/river/rivertype"
)

// sqliteDriver is River's SQLite driver without its notification table: that
// one is polled twenty times a second on the only writer, and costs a row per
// insert. On SQLite all clients live in one process, so an insert can wake the
// queue directly; see Client.InsertTxSQLite.
//
// River offers the wake-up only to a "pilot", which it calls unstable. The
// versions are pinned, and a test with an endless poll interval fails when an
// upgrade breaks this.
type sqliteDriver struct {
	*riversqlite.Driver

	pilot *wakePilot
}

func (d *sqliteDriver) SupportsListener() bool              { return false }
func (d *sqliteDriver) SupportsListenNotify() bool          { return false }
func (d *sqliteDriver) PluginInit(_ *baseservice.Archetype) {}
func (d *sqliteDriver) PluginPilot() riverpilot.Pilot       { return d.pilot }

// wakePilot keeps the function that makes a queue fetch now.
type wakePilot struct {
	riverpilot.StandardPilot

	fetch func(context.Context, []*rivertype.JobInsertResult)
}

func (p *wakePilot) PilotInit(archetype *baseservice.Archetype, params *riverpilot.PilotInitParams) {
	p.StandardPilot.PilotInit(archetype, params)
	p.fetch = params.NotifyNonTxJobInsert
}
