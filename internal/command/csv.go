package command

import (
	"errors"
	"fmt"
	"strings"
)

// csvIsOpen tells whether a line has a quote that it does not close: it holds an
// uneven number of them.
func csvIsOpen(line string) bool { return strings.Count(line, `"`)%2 == 1 }

// splitCSV cuts one record into its fields as RFC 4180 has them, any bytes: a
// field may be in double quotes and hold separators, newlines and, doubled,
// quotes. The carriage return of a line that ends in CR LF is no part of it.
func splitCSV(record, separator string) ([]string, error) {
	if !strings.HasSuffix(record, `"`) {
		record = strings.TrimSuffix(record, "\r")
	}
	var fields []string
	for {
		field, rest, err := csvField(record, separator)
		if err != nil {
			return nil, fmt.Errorf("read CSV, column %d: %w", len(fields)+1, err)
		}
		fields = append(fields, field)
		if rest == "" {
			return fields, nil
		}
		record = rest[len(separator):]
	}
}

// csvField takes the first field; rest begins with the separator or is empty.
func csvField(record, separator string) (field, rest string, err error) {
	if !strings.HasPrefix(record, `"`) {
		end := strings.Index(record, separator)
		if end < 0 {
			end = len(record)
		}
		if strings.Contains(record[:end], `"`) {
			return "", "", errors.New(`a quote within a field without quotes; put the field in quotes and double those in it`)
		}
		return record[:end], record[end:], nil
	}
	var b strings.Builder
	rest = record[1:]
	for {
		end := strings.IndexByte(rest, '"')
		if end < 0 {
			return "", "", errors.New(`a quote is not closed; close it, or double it if it is data`)
		}
		b.WriteString(rest[:end])
		rest = rest[end+1:]
		if !strings.HasPrefix(rest, `"`) {
			break
		}
		b.WriteByte('"')
		rest = rest[1:]
	}
	if rest != "" && !strings.HasPrefix(rest, separator) {
		return "", "", errors.New(`something stands between a closing quote and the separator; double quotes that are data`)
	}
	return b.String(), rest, nil
}
