package dashboard_test

import (
	"testing"

	"github.com/bdash/bdash/internal/identity"
)

// An administrator can put back what bdash shows, before any widget exists.
func TestRoleLayoutCanBePutBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.widgets.all = nil
		admin := b.user(t, "root", identity.Admin)
		for _, role := range identity.Roles {
			shown, err := b.RoleLayout(t.Context(), role)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.PutRoleLayout(t.Context(), admin, role, shown.WidgetsConfig); err != nil {
				t.Errorf("PutRoleLayout(%s, what was shown) = %v, want nil", role, err)
			}
		}
	})
}
