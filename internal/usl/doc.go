// Package usl fits the laws of scaling to measured throughput: Amdahl's, and
// Gunther's Universal Scalability Law.
//
// With n workers the throughput is
//
//	X(n) = gamma n / (1 + alpha (n-1) + beta n (n-1))
//
// gamma is the throughput of one worker. alpha is the part of the work that is
// serial, or that queues for something all share (contention); beta is what keeping
// the workers in agreement costs, which grows with each pair of them (coherency).
// With beta = 0 it is Amdahl's law, which rises to gamma/alpha and never falls; with
// beta > 0 throughput is highest at n* = sqrt((1-alpha)/beta) and falls beyond.
//
// Sources: G. M. Amdahl, Validity of the Single Processor Approach to Achieving Large
// Scale Computing Capabilities, AFIPS 1967. N. J. Gunther, Guerrilla Capacity
// Planning, Springer 2007, chapters 4 to 6; and, for the form with gamma as an
// unknown, N. J. Gunther, A General Theory of Computational Scalability Based on
// Rational Functions, arXiv:0808.1431.
//
// # How it is fitted
//
// Nonlinear least squares on the throughput itself, with gamma > 0, 0 <= alpha <= 1
// and beta >= 0. Gunther's quadratic, least squares on n/X, is linear and needs no
// iteration, but it weighs a small throughput more than a large one; here it is only
// where the search starts. The search is Levenberg's and Marquardt's with an active
// set: an unknown that stands at its bound and wants to go beyond is left out of the
// step.
//
// # How sure it is
//
// Intervals come from refits to made-up measurements ([Fit.Draws]): the fitted curve
// plus normal noise, whose variance is drawn anew each time from what the residuals
// allow, the scaled inverse chi-square. For a linear model that gives Student's
// intervals exactly; unlike those from the Jacobian they keep to the bounds, and
// serve for whatever follows from the unknowns, such as n*.
//
// Everything is a function of its arguments; chance is an argument. All is safe for
// concurrent use.
package usl
