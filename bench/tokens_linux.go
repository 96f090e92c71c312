package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tokensJobs is -j of the make of tokens, and tokensGoals how many of its recipes
// each start a tool that would by itself run as many commands at once.
const tokensJobs, tokensGoals, tokensEach = 4, 4, 8

// tokens compares how many commands run at once where a make starts several tools, each
// of which starts commands. Those that know make's jobserver share its tokens.
func (w *workshop) tokens() row {
	jobs := strconv.Itoa(tokensJobs)
	r := row{
		name: "tokens", unit: commandsAtOnce,
		title:   fmt.Sprintf("the most commands that ran at once below make -j%s, of which %d recipes each start a tool with -j%s and %d commands", jobs, tokensGoals, jobs, tokensEach),
		targets: []target{{bound: tokensJobs}},
	}
	words := strings.Join(tokenInputs(), " ")
	for _, t := range []struct {
		name   string
		kind   kind
		ready  func(context.Context) (string, error)
		recipe func(command string) string
	}{
		{"tutti map", ours, w.oursReady("true", ":::", "x"), func(command string) string {
			path, _ := w.tutti() // ready has built it
			return "+@" + path + " map -j" + jobs + " '" + command + "; : {}' ::: " + words
		}},
		{"make itself", floor, installed("make", "GNU Make", "not installed; apt-get install -y make"), func(command string) string {
			return "+@$(MAKE) -s --no-print-directory -f below.mk"
		}},
		{"xargs", peer, installed("xargs", "GNU findutils", "not installed; apt-get install -y findutils"), func(command string) string {
			return "+@echo " + words + " | xargs -P" + jobs + " -n1 sh -c '" + command + "'"
		}},
		{"GNU parallel", peer, gnuParallelReady, func(command string) string {
			return "+@parallel -j" + jobs + " '" + command + "; : {}' ::: " + words
		}},
	} {
		r.contenders = append(r.contenders, contender{name: t.name, kind: t.kind, ready: t.ready, round: func(ctx context.Context) (figure, error) {
			return w.mostAtOnce(ctx, t.recipe)
		}})
	}
	return r
}

func tokenInputs() (words []string) {
	for i := range tokensEach {
		words = append(words, strconv.Itoa(i))
	}
	return words
}

// mostAtOnce runs make with a recipe for each goal, and counts what its commands wrote:
// each a line when it begins and one before it ends.
func (w *workshop) mostAtOnce(ctx context.Context, recipe func(command string) string) (figure, error) {
	dir, err := os.MkdirTemp(w.dir, "tokens-")
	if err != nil {
		return figure{}, err
	}
	defer os.RemoveAll(dir)
	log := filepath.Join(dir, "log")
	command := "echo + >> " + log + "; sleep 0.01; echo - >> " + log
	goals := "all:"
	for i := range tokensGoals {
		goals += " g" + strconv.Itoa(i)
	}
	goals += "\n" + strings.TrimPrefix(goals, "all:") + ":\n\t" + recipe(command) + "\n"
	below := "all: " + strings.Join(tokenInputs(), " ") + "\n" + strings.Join(tokenInputs(), " ") + ":\n\t@" + command + "\n"
	for name, text := range map[string]string{"Makefile": goals, "below.mk": below} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return figure{}, err
		}
	}
	if _, _, err := (program{path: "make", args: []string{"-s", "-j" + strconv.Itoa(tokensJobs)}, dir: dir}).run(ctx); err != nil {
		return figure{}, err
	}
	wrote, err := os.ReadFile(log)
	if err != nil {
		return figure{}, err
	}
	most, begun, now := 0, 0, 0
	for line := range bytes.Lines(wrote) {
		if line[0] == '+' {
			begun, now = begun+1, now+1
		} else {
			now--
		}
		most = max(most, now)
	}
	if begun != tokensGoals*tokensEach || now != 0 {
		return figure{}, fmt.Errorf("%d of %d commands began, and %d have not ended", begun, tokensGoals*tokensEach, now)
	}
	return figure{value: float64(most)}, nil
}
