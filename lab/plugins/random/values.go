package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"platform/lab/plugins/provider"
)

// passwordID is the id of every RandomPassword: an id is never secret.
const passwordID = "none"

// classes of characters: the input that switches one off, the one that asks for
// a minimum of it, and the characters.
var classes = []struct{ on, least, characters string }{
	{"lower", "minLower", "abcdefghijklmnopqrstuvwxyz"},
	{"upper", "minUpper", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
	{"numeric", "minNumeric", "0123456789"},
	{"special", "minSpecial", "!@#$%&*()-_=+[]{}<>:?"},
}

// generate makes a string with at least the minimum of each class.
func generate(in provider.Values) (string, error) {
	var all string
	var out []byte
	for _, c := range classes {
		characters := c.characters
		if c.on == "special" && in.String("overrideSpecial") != "" {
			characters = in.String("overrideSpecial")
		}
		if in.Has(c.on) && !in.Bool(c.on) {
			if in.Int(c.least) > 0 {
				return "", fmt.Errorf("%s is set, but %s is off", c.least, c.on)
			}
			continue
		}
		all += characters
		some, err := pick(characters, in.Int(c.least))
		if err != nil {
			return "", err
		}
		out = append(out, some...)
	}
	if all == "" {
		return "", errors.New("at least one class of characters must be on")
	}
	length := in.Int("length")
	if length < 1 || length < len(out) {
		return "", fmt.Errorf("length %d is less than 1, or than the sum of the minimums, %d", length, len(out))
	}
	rest, err := pick(all, length-len(out))
	if err != nil {
		return "", err
	}
	out = append(out, rest...)
	err = shuffle(out)
	return string(out), err
}

func pick(characters string, n int) ([]byte, error) {
	out := make([]byte, n)
	for i := range out {
		j, err := below(len(characters))
		if err != nil {
			return nil, err
		}
		out[i] = characters[j]
	}
	return out, nil
}

func shuffle(b []byte) error {
	for i := len(b) - 1; i > 0; i-- {
		j, err := below(i + 1)
		if err != nil {
			return err
		}
		b[i], b[j] = b[j], b[i]
	}
	return nil
}

func below(n int) (int, error) {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0, fmt.Errorf("reading randomness: %w", err)
	}
	return int(i.Int64()), nil
}

func createPassword(_ context.Context, in provider.Values) (string, provider.Values, error) {
	result, err := generate(in)
	if err != nil {
		return "", nil, err
	}
	state, err := passwordState(result)
	return passwordID, state, err
}

func passwordState(result string) (provider.Values, error) {
	// bcrypt looks at the first 72 bytes only.
	hash, err := bcrypt.GenerateFromPassword([]byte(result[:min(len(result), 72)]), bcrypt.DefaultCost)
	if err != nil {
		return nil, fmt.Errorf("hashing the password: %w", err)
	}
	return provider.Values{"result": result, "bcryptHash": string(hash)}, nil
}

// readPassword gives the state back; in an import the id is the password.
func readPassword(_ context.Context, id string, state provider.Values) (provider.Values, error) {
	if state != nil {
		return state, nil
	}
	imported, err := passwordState(id)
	return imported.With(provider.Values{"length": float64(len(id))}), err
}

func createString(_ context.Context, in provider.Values) (string, provider.Values, error) {
	result, err := generate(in)
	return result, provider.Values{"result": result}, err
}

func readString(_ context.Context, id string, state provider.Values) (provider.Values, error) {
	if state != nil {
		return state, nil
	}
	return provider.Values{"result": id, "length": float64(len(id))}, nil
}

func createID(_ context.Context, in provider.Values) (string, provider.Values, error) {
	n := in.Int("byteLength")
	if n < 1 {
		return "", nil, fmt.Errorf("byteLength is %d; it must be at least 1", n)
	}
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return "", nil, fmt.Errorf("reading randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), idState(b, in.String("prefix")), nil
}

func idState(b []byte, prefix string) provider.Values {
	return provider.Values{
		"b64Url": prefix + base64.RawURLEncoding.EncodeToString(b),
		"b64Std": prefix + base64.StdEncoding.EncodeToString(b),
		"hex":    prefix + hex.EncodeToString(b),
		"dec":    prefix + new(big.Int).SetBytes(b).String(),
	}
}

// readID gives the state back; an import's id is `[prefix,]base64url`.
func readID(_ context.Context, id string, state provider.Values) (provider.Values, error) {
	if state != nil {
		return state, nil
	}
	prefix, encoded, found := strings.Cut(id, ",")
	if !found {
		prefix, encoded = "", id
	}
	b, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("reading the id %q: %w", id, err)
	}
	return idState(b, prefix).With(provider.Values{"byteLength": float64(len(b)), "prefix": prefix}), nil
}

func createUUID(context.Context, provider.Values) (string, provider.Values, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return "", nil, fmt.Errorf("making a UUID: %w", err)
	}
	return id.String(), provider.Values{"result": id.String()}, nil
}

func readUUID(_ context.Context, id string, state provider.Values) (provider.Values, error) {
	if state != nil {
		return state, nil
	}
	parsed, err := uuid.Parse(id)
	if err != nil {
		return nil, fmt.Errorf("reading the id %q: %w", id, err)
	}
	return provider.Values{"result": parsed.String()}, nil
}
