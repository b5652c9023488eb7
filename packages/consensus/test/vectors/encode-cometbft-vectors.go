// Encodes the recorded chain with CometBFT's own code: the bytes that our encoder must give.
//
//	go mod init vectors && go get github.com/cometbft/cometbft@v0.38.25
//	go run encode-cometbft-vectors.go cometbft-chain.json > cometbft-encodings.json
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	cmtjson "github.com/cometbft/cometbft/libs/json"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	coretypes "github.com/cometbft/cometbft/rpc/core/types"
	"github.com/cometbft/cometbft/types"
)

type encodings struct {
	Height     int64    `json:"height"`
	Header     string   `json:"header"`
	Commit     string   `json:"commit"`
	Validators string   `json:"validators"`
	SignBytes  []string `json:"signBytes"`
	// What the first of them would have signed for nil.
	NilSignBytes string `json:"nilSignBytes"`
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	file, err := os.ReadFile(os.Args[1])
	check(err)
	var chain struct {
		ChainID    string            `json:"chainId"`
		Commits    []json.RawMessage `json:"commits"`
		Validators []json.RawMessage `json:"validators"`
	}
	check(json.Unmarshal(file, &chain))
	all := []encodings{}
	for index := range chain.Commits {
		var commit coretypes.ResultCommit
		var page coretypes.ResultValidators
		check(cmtjson.Unmarshal(chain.Commits[index], &commit))
		check(cmtjson.Unmarshal(chain.Validators[index], &page))
		header, err := commit.Header.ToProto().Marshal()
		check(err)
		encoded, err := commit.Commit.ToProto().Marshal()
		check(err)
		// Of a validator only the key and the power travel.
		reduced := cmtproto.ValidatorSet{}
		for _, validator := range page.Validators {
			full, err := validator.ToProto()
			check(err)
			reduced.Validators = append(reduced.Validators,
				&cmtproto.Validator{PubKey: full.PubKey, VotingPower: full.VotingPower})
		}
		validators, err := reduced.Marshal()
		check(err)
		set := types.NewValidatorSet(page.Validators)
		check(set.VerifyCommit(chain.ChainID, commit.Commit.BlockID, commit.Height, commit.Commit))
		signBytes := []string{}
		for position, entry := range commit.Commit.Signatures {
			if entry.BlockIDFlag == types.BlockIDFlagAbsent {
				continue
			}
			signBytes = append(signBytes,
				hex.EncodeToString(commit.Commit.VoteSignBytes(chain.ChainID, int32(position))))
		}
		forNil := cmtproto.Vote{Type: cmtproto.PrecommitType, Height: commit.Height,
			Round: commit.Commit.Round, Timestamp: commit.Commit.Signatures[0].Timestamp}
		all = append(all, encodings{commit.Height, hex.EncodeToString(header),
			hex.EncodeToString(encoded), hex.EncodeToString(validators), signBytes,
			hex.EncodeToString(types.VoteSignBytes(chain.ChainID, &forNil))})
	}
	for index, each := range all {
		line, err := json.Marshal(each)
		check(err)
		fmt.Printf("%s%s", map[bool]string{true: "[\n", false: ",\n"}[index == 0], line)
	}
	fmt.Println("\n]")
}
