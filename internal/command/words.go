package command

import "strings"

// bourneShells are the shells that read Quote's words as we mean them.
var bourneShells = strings.Fields("sh ash dash bash rbash ksh ksh93 mksh lksh pdksh oksh loksh posh zsh yash")

// otherShells are known not to.
var otherShells = strings.Fields("csh tcsh bsd-csh fish rc es elvish nu xonsh pwsh")

// shellWords are the reserved words and builtins of sh, bash, ksh and zsh in
// one: a command of such a name is the shell's own, even where an executable of
// the same name exists, since the two differ (echo -e, kill %1, time, printf %q).
// The union serves every user's shell; that which is called by bash without
// need costs a millisecond. true and false are absent: POSIX gives them no
// option and no output, so that /bin/true is the same and faster. sleep and stat
// are absent too: builtins only of ksh and of a zsh module, and there the same.
var shellWords = wordSet(`
	! [[ ]] { } case coproc do done elif else end esac fi for foreach function
	if in nocorrect repeat select then time until while

	. : [ alias bg bind break builtin caller cd chdir command compgen complete
	compopt continue declare dirs disown echo enable eval exec exit export fc fg
	getopts hash help history jobs kill let local logout mapfile popd printf
	pushd pwd read readarray readonly return set shift shopt source suspend test
	times trap type typeset ulimit umask unalias unset wait

	autoload bindkey bye cap clone comparguments compcall compctl compdescribe
	compfiles compgroups compquote comptags comptry compvalues echotc echoti
	emulate float functions getcap getln hist inlib integer limit log
	login mkservice nameref newgrp noglob print private pushln r rehash rename
	sched setcap setopt stop unfunction unhash unlimit unsetopt
	vared vmap vpath whence where which zcompile zformat zftp zle zmodload
	zparseopts zprof zpty zregexparse zselect zsocket zstat zstyle ztcp
`)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}
