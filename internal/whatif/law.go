package whatif

import (
	"github.com/tutti-run/tutti/internal/usl"
)

// Law is how a policy scales: the laws laid through the throughput of its runs.
type Law struct {
	Policy    string    `json:"policy"`
	Amdahl    usl.Model `json:"-"`
	Universal usl.Model `json:"-"`
	Serial    float64   `json:"amdahl_serial_part"`
	Alpha     float64   `json:"usl_serial_part"`
	Beta      float64   `json:"usl_coherency_part"`
	Peak      float64   `json:"usl_peak_cpus"` // beyond which throughput falls; 0 never
}

// Laws fits the laws for each policy of runs. A policy has none where too few numbers
// of CPUs were tried, or where its runs did no work; and none has where a run was cut short.
func Laws(runs []Run) (laws []Law) {
	if !Whole(runs) {
		return nil
	}
	points := map[string][]usl.Point{}
	var policies []string
	for _, r := range runs {
		if points[r.Policy] == nil {
			policies = append(policies, r.Policy)
		}
		p := usl.Point{N: r.CPUs}
		if r.Makespan > 0 {
			p.Throughput = float64(r.Done) / r.Makespan
		}
		points[r.Policy] = append(points[r.Policy], p)
	}
	for _, policy := range policies {
		amdahl, err := usl.New(usl.Amdahl, points[policy])
		if err != nil {
			continue
		}
		universal, err := usl.New(usl.Universal, points[policy])
		if err != nil {
			continue
		}
		l := Law{Policy: policy, Amdahl: amdahl.Model, Universal: universal.Model, Serial: amdahl.Alpha, Alpha: universal.Alpha, Beta: universal.Beta}
		if universal.Beta > 0 {
			l.Peak = universal.Peak()
		}
		laws = append(laws, l)
	}
	return laws
}
