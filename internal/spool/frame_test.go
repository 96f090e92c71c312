package spool

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// noise fills p with bytes that cannot be compressed.
func noise(seed uint64, p []byte) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	rand.NewChaCha8(key).Read(p)
	return p
}

// text is n bytes of a log.
func text(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "2024-05-%02d 12:%02d:07 host job[%d]: step %d of input/%06d.txt is done\n", i%30, i%60, i, i%9, i*7)
	}
	return b[:n]
}

// pack is a frame of raw.
func pack(raw []byte) []byte {
	p := packers.Get().(*packer)
	defer packers.Put(p)
	return slices.Clone(p.pack(raw))
}

// unpackAll reads frames until there are no more.
func unpackAll(file []byte) (raw []byte, err error) {
	src := source{}
	defer src.close()
	u := src.unpacker()
	for off := int64(0); off < int64(len(file)); {
		f, err := u.head(bytes.NewReader(file), off)
		if err != nil {
			return raw, err
		}
		piece, err := u.unpack(bytes.NewReader(file), off, f)
		if err != nil {
			return raw, err
		}
		if int64(len(piece)) != f.raw {
			return raw, fmt.Errorf("%d bytes for %d", len(piece), f.raw)
		}
		raw, off = append(raw, piece...), off+f.bytes()
	}
	return raw, nil
}

func TestPack(t *testing.T) {
	t.Parallel()
	var file, all []byte
	for _, c := range []struct {
		raw     []byte
		smaller bool
	}{
		{make([]byte, 1), false},
		{[]byte("short\n"), false},
		{[]byte(strings.Repeat("short\n", 20)), true},
		{make([]byte, scratchBytes), true},
		{text(scratchBytes), true},
		{text(5000), true},
		{noise(1, make([]byte, 300)), false},
		{noise(2, make([]byte, scratchBytes)), false},
		{append(noise(3, make([]byte, scratchBytes/2)), text(scratchBytes/2)...), true},
	} {
		got := pack(c.raw)
		if smaller := len(got) < frameHead+len(c.raw); smaller != c.smaller || len(got) > frameHead+len(c.raw) {
			t.Errorf("%d bytes, %.20q: a frame of %d", len(c.raw), c.raw, len(got))
		}
		if raw, err := unpackAll(got); err != nil || !bytes.Equal(raw, c.raw) {
			t.Errorf("%d bytes, %.20q: %d come back, %v", len(c.raw), c.raw, len(raw), err)
		}
		file, all = append(file, got...), append(all, c.raw...)
	}
	if raw, err := unpackAll(file); err != nil || !bytes.Equal(raw, all) {
		t.Errorf("one after the other: %d bytes of %d, %v", len(raw), len(all), err)
	}
}

// frameOf is a frame with a header and data of one's own.
func frameOf(raw, stored int, data []byte) []byte {
	head := binary.LittleEndian.AppendUint32(nil, uint32(raw))
	return append(binary.LittleEndian.AppendUint32(head, uint32(stored)), data...)
}

// deflated is raw as deflate makes it, with or without its end.
func deflated(raw []byte, close bool) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed)
	_, _ = w.Write(raw)
	_ = w.Flush()
	if close {
		_ = w.Close()
	}
	return b.Bytes()
}

// TestBrokenFrames damages the second of two frames: the first is read, the second
// is an error, and everything is free at the end.
func TestBrokenFrames(t *testing.T) {
	t.Parallel()
	good := deflated(text(2000), true)
	for name, second := range map[string][]byte{
		"zeros":         make([]byte, 5000),
		"no raw":        frameOf(0, 1, []byte("x")),
		"no stored":     frameOf(1, 0, nil),
		"grows":         frameOf(10, 11, make([]byte, 11)),
		"huge":          frameOf(1<<31, 1<<31, good),
		"most":          frameOf(1<<32-1, 1<<32-1, good),
		"one too many":  frameOf(scratchBytes+1, len(good), good),
		"end of file":   frameOf(2000, 1500, good),
		"half a header": {1, 2, 3},
		"not deflate":   frameOf(2000, 1000, bytes.Repeat([]byte{0xff}, 1000)),
		"too little":    frameOf(2001, len(good), good),
		"too much":      frameOf(1999, len(good), good),
		"cut":           frameOf(2000, len(good)-1, good),
		"no end":        frameOf(2000, len(deflated(text(2000), false)), deflated(text(2000), false)),
		"goes on":       frameOf(2000, len(good)+1, append(slices.Clone(good), 0)),
	} {
		for _, free := range []bool{false, true} {
			s := heapWith(t, Config{Lanes: 1, File: tempFile(t), Live: true, Compress: true})
			_, w := begin(t, s, 0, 5, 1)
			_, _ = w[0].Write(text(100))
			if _, err := s.file.WriteAt(second, w[0].pos); err != nil {
				t.Fatal(err)
			}
			w[0].show(2100)
			v, _ := s.Find(5)
			if s.Tail(&v, Stdout, 50) != nil || s.End(5, v.Shown[0], 50) != nil || s.End(5, v.Shown[0], 4000) != nil {
				t.Errorf("%s: it has an end", name)
			}
			var got []byte
			at := v.Shown[0].At(5)
			err := s.Read(&at, 2100, free, func(p []byte) error {
				got = append(got, p...)
				return nil
			})
			if !errors.Is(err, errFrame) && !errors.Is(err, io.EOF) || !bytes.Equal(got, text(100)) || at.Read != 100 {
				t.Errorf("%s: %d bytes are read, %v", name, len(got), err)
			}
			s.Free(&at)
			if n := s.Used(); n != 0 {
				t.Errorf("%s: %d entries in use", name, n)
			}
		}
	}
}

// TestFrameBounds has frames of several sizes meet the ends of regions, and reads
// and looks at places all over the stream.
func TestFrameBounds(t *testing.T) {
	t.Parallel()
	want := noise(1, make([]byte, 4*regionMin)) // the second region is twice as long
	copy(want[regionMin/2:], text(100_000))
	for _, most := range []int{scratchBytes, scratchBytes - frameHead, 40_000, 9000} {
		s := heapWith(t, Config{Lanes: 1, File: tempFile(t), Live: true, Compress: true})
		_, w := begin(t, s, 0, 5, 1)
		for p := range slices.Chunk(want, most) {
			_, _ = w[0].Write(p)
		}
		if err := w[0].Err(); err != nil {
			t.Fatal(err)
		}
		if n := s.Used(); n < 2 {
			t.Errorf("%d regions", n)
		}
		v, _ := s.Find(5)
		ref, _ := w[0].End(0)
		for i := range 20 {
			k := int64(i*i*i) * 600
			if got := s.End(5, ref, k); !bytes.Equal(got, want[len(want)-int(k):]) {
				t.Fatalf("pieces of %d: the last %d differ", most, k)
			}
			if got := s.Tail(&v, Stdout, k); !bytes.Equal(got, want[len(want)-int(k):]) {
				t.Fatalf("pieces of %d: a tail of %d differs", most, k)
			}
		}
		at, pos := ref.At(5), 0
		for step := int64(1); at.Read < ref.Size; step = step*3 + 1 {
			err := s.Read(&at, min(ref.Size, at.Read+step), true, func(p []byte) error {
				if !bytes.HasPrefix(want[pos:], p) {
					return errDiffers
				}
				pos += len(p)
				return nil
			})
			if err != nil || int64(pos) != at.Read {
				t.Fatalf("pieces of %d: at %d, %d: %v", most, pos, at.Read, err)
			}
		}
		s.Free(&at)
		if n := s.Used(); n != 0 {
			t.Errorf("%d entries are in use", n)
		}
	}
}

// FuzzFrame takes anything for frames, and makes frames of anything.
func FuzzFrame(f *testing.F) {
	f.Add(pack(text(300)))
	f.Add(pack([]byte("x")))
	f.Add(frameOf(1<<31, 1<<31, nil))
	f.Add(frameOf(2000, 1000, make([]byte, 1000)))
	f.Fuzz(func(t *testing.T, p []byte) {
		raw, err := unpackAll(p)
		if err == nil && len(p) > 0 && len(raw) == 0 {
			t.Error("nothing and no error")
		}
		p = p[:min(len(p), scratchBytes)]
		if len(p) == 0 {
			return
		}
		if raw, err := unpackAll(pack(p)); err != nil || !bytes.Equal(raw, p) {
			t.Errorf("%d bytes come back for %d, %v", len(raw), len(p), err)
		}
	})
}
