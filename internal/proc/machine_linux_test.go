package proc

import (
	"os"
	"path/filepath"
	"testing"
)

var allLooks = MachineLooks{Load: true, Memory: true, Swap: true, Disk: true}

func TestMachine(t *testing.T) {
	t.Parallel()
	m, err := OpenMachine(allLooks)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.Sample()
	if err != nil {
		t.Fatal(err)
	}
	if s.Load < 0 || s.Total <= 1<<20 || s.Free <= 0 || s.Free > s.Total || s.DiskBusy < -1 || s.DiskBusy > 100 {
		t.Errorf("sample %+v", s)
	}
	none, err := OpenMachine(MachineLooks{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := none.Sample(); err != nil || s != (MachineSample{}) {
		t.Errorf("nothing asked for: %+v, %v", s, err)
	}
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

// TestMachineGroups gives a machine control groups made of files, one with the
// limit, one without, and one whose files say nothing.
func TestMachineGroups(t *testing.T) {
	t.Parallel()
	m, err := OpenMachine(MachineLooks{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	open := func(text string) *os.File {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	cached := []string{"inactive_file ", "active_file "}
	m.groups = append(m.groups,
		memoryGroup{limits: []*os.File{open("1048576\n"), open("max\n")}, used: open("524288\n"), stats: open("anon 1\nactive_file 4096\ninactive_file 8192\n"), cached: cached},
		memoryGroup{limits: []*os.File{open("max\n")}, used: open("7\n"), stats: open("")},
		memoryGroup{limits: []*os.File{open("5\n")}, used: open("\n"), stats: open("")},
		memoryGroup{limits: []*os.File{open("5\n")}},
	)
	s, err := m.Sample()
	if want := int64(1048576 - 524288 + 4096 + 8192); err != nil || s.Free != want || s.Total != 1048576 {
		t.Errorf("%d free of %d, %v; want %d", s.Free, s.Total, err, want)
	}
}

func TestMachineReadGrows(t *testing.T) {
	t.Parallel()
	f, err := os.Open("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := &Machine{text: make([]byte, 3)}
	if text := m.read(f); len(text) < 40 {
		t.Errorf("read %q", text)
	}
}

func BenchmarkMachineSample(b *testing.B) {
	for name, looks := range map[string]MachineLooks{
		"all": allLooks, "load": {Load: true}, "memory": {Memory: true}, "swap": {Swap: true}, "disk": {Disk: true},
	} {
		b.Run(name, func(b *testing.B) {
			m, err := OpenMachine(looks)
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Sample(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
