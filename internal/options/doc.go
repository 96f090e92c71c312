// Package options reads command lines as GNU parallel does and says what they
// mean.
//
// One table ([All], in the files table_*.go) says of every option of GNU parallel, and of those that are
// ours, how it is spelled, what it takes, where its value goes in a [Map], and
// whether it works, works otherwise, is without effect, or is refused and what to
// use instead. The command line reader, --help, the man page, shell completion
// and docs/gnu.md are made of that table, so they cannot disagree.
//
// [Expand] brings a command line into a plain form: options from configuration
// files and $PARALLEL in front, abbreviations and bundles spelled out, values
// joined to their options by "=", the command's words behind "--". The flag
// library reads that form without doubt, and [Map.Check] says what makes no sense
// together. Nothing here acts; reading files is the caller's, through [Sources].
package options
