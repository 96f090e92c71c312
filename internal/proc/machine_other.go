//go:build !linux

package proc

// Machine reads the state of the machine; here nothing is known of it.
type Machine struct{}

// OpenMachine returns an error that wraps errors.ErrUnsupported.
func OpenMachine(MachineLooks) (*Machine, error) { return nil, errOther }

// Sample returns an error that wraps errors.ErrUnsupported.
func (m *Machine) Sample() (MachineSample, error) { return MachineSample{}, errOther }

// Close does nothing.
func (m *Machine) Close() error { return nil }
