package engine

// Point is a place between two steps at which a process may die. Tests kill a
// process at each of them; CRASHES.md says what becomes of the task.
type Point uint8

// The points, in the order in which a task passes them.
const (
	PointAcquired Point = iota // WRITING is recorded, nothing is filled in
	PointFilled                // the descriptor is filled, the word still WRITING
	PointQueued                // QUEUED, but no hint says so
	PointHinted                // the hint is set, nobody is woken
	PointWoken                 // a worker is woken
	PointTaken                 // hints are out of the queue and nowhere else
	PointBatched               // the batch is published, nothing is begun
	PointBegun                 // RUNNING, the function has not been called
	PointReturned              // the function has returned, its result is written
	PointEnded                 // DONE, nobody has been told
	PointMarked                // the submitter's set of ended tasks says so
	PointRung                  // the submitter's bell has been rung
	PointRead                  // the submitter has read the result
	PointReleased              // FREE, but no hint says so
	numPoints
)

var pointNames = [numPoints]string{
	"acquired", "filled", "queued", "hinted", "woken", "taken", "batched",
	"begun", "returned", "ended", "marked", "rung", "read", "released",
}

func (p Point) String() string { return pointNames[p] }

// failHook is called at every point; nil outside tests. A load and a branch
// that is always predicted: no difference was seen in the no-op rate.
var failHook func(Point)

func at(p Point) {
	if failHook != nil {
		failHook(p)
	}
}
