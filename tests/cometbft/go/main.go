// Judge answers, with CometBFT's own code, whether it accepts votes, commits and evidence; and signs some of its own.
//
// One JSON object per line on stdin, one per line on stdout: {"ok": bool, "why": text, "bytes": base64}.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/cometbft/cometbft/crypto"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/evidence"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
)

type question struct {
	Do         string   `json:"do"`
	ChainID    string   `json:"chain_id"`
	PubKey     []byte   `json:"pub_key"`
	Secret     []byte   `json:"secret"`
	Message    []byte   `json:"message"`
	Signature  []byte   `json:"signature"`
	Vote       []byte   `json:"vote"`
	Proposal   []byte   `json:"proposal"`
	Commit     []byte   `json:"commit"`
	Validators []member `json:"validators"`
	BlockID    []byte   `json:"block_id"`
	Height     int64    `json:"height"`
	Evidence   []byte   `json:"evidence"`
	Common     []byte   `json:"common"`
	Trusted    []byte   `json:"trusted"`
	Header     []byte   `json:"header"`
	Times      int32    `json:"times"`
}

type member struct {
	PubKey []byte `json:"pub_key"`
	Power  int64  `json:"power"`
}

type answer struct {
	OK    bool   `json:"ok"`
	Why   string `json:"why,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
}

func set(members []member) *types.ValidatorSet {
	validators := make([]*types.Validator, len(members))
	for i, m := range members {
		validators[i] = types.NewValidator(ed25519.PubKey(m.PubKey), m.Power)
	}
	return types.NewValidatorSet(validators)
}

func judge(q question) (out answer) {
	defer func() {
		if broken := recover(); broken != nil {
			out = answer{Why: fmt.Sprint("panic: ", broken)}
		}
	}()
	data, err := decide(q)
	if err != nil {
		return answer{Why: err.Error()}
	}
	return answer{OK: true, Bytes: data}
}

func decide(q question) ([]byte, error) {
	switch q.Do {
	case "signature":
		if !ed25519.PubKey(q.PubKey).VerifySignature(q.Message, q.Signature) {
			return nil, types.ErrVoteInvalidSignature
		}
		return nil, nil
	case "vote":
		vote, err := readVote(q.Vote)
		if err != nil {
			return nil, err
		}
		return nil, vote.Verify(q.ChainID, ed25519.PubKey(q.PubKey))
	case "sign_vote":
		return signVote(q)
	case "proposal":
		return nil, proposal(q)
	case "commit":
		return nil, commit(q)
	case "evidence":
		return duplicate(q)
	case "attack":
		return nil, attack(q)
	case "header_hash":
		header, err := readHeader(q.Header)
		if err != nil {
			return nil, err
		}
		return header.Hash(), nil
	case "proposers":
		return proposers(q), nil
	case "validators_hash":
		return set(q.Validators).Hash(), nil
	}
	return nil, fmt.Errorf("no such question: %q", q.Do)
}

func readVote(data []byte) (*types.Vote, error) {
	var raw cmtproto.Vote
	if err := raw.Unmarshal(data); err != nil {
		return nil, err
	}
	vote, err := types.VoteFromProto(&raw)
	if err != nil {
		return nil, err
	}
	return vote, vote.ValidateBasic()
}

func readHeader(data []byte) (*types.Header, error) {
	var raw cmtproto.Header
	if err := raw.Unmarshal(data); err != nil {
		return nil, err
	}
	header, err := types.HeaderFromProto(&raw)
	return &header, err
}

func signVote(q question) ([]byte, error) {
	var raw cmtproto.Vote
	if err := raw.Unmarshal(q.Vote); err != nil {
		return nil, err
	}
	key := ed25519.GenPrivKeyFromSecret(q.Secret)
	raw.ValidatorAddress = key.PubKey().Address()
	signer := types.NewMockPVWithParams(crypto.PrivKey(key), false, false)
	if err := signer.SignVote(q.ChainID, &raw); err != nil {
		return nil, err
	}
	raw.ExtensionSignature = nil // the mock signs an extension that nobody asked for
	return raw.Marshal()
}

func proposal(q question) error {
	var raw cmtproto.Proposal
	if err := raw.Unmarshal(q.Proposal); err != nil {
		return err
	}
	read, err := types.ProposalFromProto(&raw)
	if err != nil {
		return err
	}
	if err := read.ValidateBasic(); err != nil {
		return err
	}
	if !ed25519.PubKey(q.PubKey).VerifySignature(types.ProposalSignBytes(q.ChainID, &raw), read.Signature) {
		return types.ErrVoteInvalidSignature
	}
	return nil
}

func commit(q question) error {
	var raw cmtproto.Commit
	if err := raw.Unmarshal(q.Commit); err != nil {
		return err
	}
	read, err := types.CommitFromProto(&raw)
	if err != nil {
		return err
	}
	var id cmtproto.BlockID
	if err := id.Unmarshal(q.BlockID); err != nil {
		return err
	}
	block, err := types.BlockIDFromProto(&id)
	if err != nil {
		return err
	}
	return set(q.Validators).VerifyCommit(q.ChainID, *block, q.Height, read)
}

func duplicate(q question) ([]byte, error) {
	read, err := readEvidence(q.Evidence)
	if err != nil {
		return nil, err
	}
	found, is := read.(*types.DuplicateVoteEvidence)
	if !is {
		return nil, fmt.Errorf("%T", read)
	}
	return found.Hash(), evidence.VerifyDuplicateVote(found, q.ChainID, set(q.Validators))
}

func readEvidence(data []byte) (types.Evidence, error) {
	var raw cmtproto.Evidence
	if err := raw.Unmarshal(data); err != nil {
		return nil, err
	}
	read, err := types.EvidenceFromProto(&raw)
	if err != nil {
		return nil, err
	}
	return read, read.ValidateBasic()
}

func attack(q question) error {
	read, err := readEvidence(q.Evidence)
	if err != nil {
		return err
	}
	found, is := read.(*types.LightClientAttackEvidence)
	if !is {
		return fmt.Errorf("%T", read)
	}
	common, err := readSigned(q.Common)
	if err != nil {
		return err
	}
	trusted, err := readSigned(q.Trusted)
	if err != nil {
		return err
	}
	return evidence.VerifyLightClientAttack(found, common, trusted, set(q.Validators), time.Unix(0, 0), time.Hour)
}

func readSigned(data []byte) (*types.SignedHeader, error) {
	var raw cmtproto.SignedHeader
	if err := raw.Unmarshal(data); err != nil {
		return nil, err
	}
	return types.SignedHeaderFromProto(&raw)
}

// proposers are the addresses of the proposers of q.Times rounds, one after the other.
func proposers(q question) []byte {
	members := set(q.Validators)
	var out []byte
	for i := int32(0); i < q.Times; i++ {
		out = append(out, members.GetProposer().Address...)
		members.IncrementProposerPriority(1)
	}
	return out
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			_ = out.Encode(answer{Why: "unreadable: " + err.Error()})
			continue
		}
		_ = out.Encode(judge(q))
	}
}
