/**
 * The validators of a height as CometBFT v0.38 sees them: in descending order of power, then ascending of
 * address; the hash is the Merkle root over `SimpleValidator` (spec/core/data_structures.md). It binds no
 * chain id: that is in what validators sign.
 */
import { type Bytes, CodecError, compareBytes, equalBytes, toHex } from '@yilian/crypto/bytes';
import { merkleRoot } from '@yilian/crypto/merkle';
import {
  decodeMessage,
  encodeMessage,
  type ProtobufReader,
  type ProtobufWriter,
} from '../../protobuf.ts';
import { addressOf, VALIDATORS_MAX, ValidatorSetError } from '../../validator-set.ts';

export interface CometValidator {
  /** Ed25519, 32 bytes. */
  readonly key: Bytes;
  readonly power: bigint;
  /** First 20 bytes of SHA-256 of the key. */
  readonly address: Bytes;
}

export interface CometValidatorSet {
  readonly engine: 'cometbft';
  readonly validators: readonly CometValidator[];
  readonly totalPower: bigint;
  /** `validatorsHash` of a header. */
  readonly hash: Bytes;
}

/** `MaxTotalVotingPower` in Go: MaxInt64 / 8. */
export const TOTAL_POWER_MAX: bigint = ((1n << 63n) - 1n) / 8n;

const VALIDATOR_BYTES_MAX = 64;

type KeyPower = Pick<CometValidator, 'key' | 'power'>;

/** `PublicKey` with its kind ed25519. */
function writeKey(writer: ProtobufWriter, key: Bytes): void {
  writer.item(1, key);
}

function readKey(reader: ProtobufReader): Bytes {
  let key: Bytes = new Uint8Array(0);
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 1) key = reader.bytes();
    else reader.skip();
  return key;
}

function writeSimpleValidator(writer: ProtobufWriter, { key, power }: KeyPower): void {
  writer.message(1, key, writeKey);
  writer.int64(2, power);
}

/** @throws ValidatorSetError */
export function createCometValidatorSet(list: readonly KeyPower[]): CometValidatorSet {
  if (list.length === 0) throw new ValidatorSetError('empty');
  if (list.length > VALIDATORS_MAX) throw new ValidatorSetError('tooMany');
  const keys = new Set<string>();
  let totalPower = 0n;
  for (const { key, power } of list) {
    if (key.length !== 32) throw new ValidatorSetError('badKey');
    if (power <= 0n) throw new ValidatorSetError('badPower');
    if (keys.has(toHex(key))) throw new ValidatorSetError('duplicateKey');
    keys.add(toHex(key));
    totalPower += power;
    if (totalPower > TOTAL_POWER_MAX) throw new ValidatorSetError('badPower');
  }
  const validators = list
    .map(({ key, power }) => ({ key, power, address: addressOf(key) }))
    .sort((a, b) =>
      a.power === b.power ? compareBytes(a.address, b.address) : a.power > b.power ? -1 : 1,
    );
  const hash = merkleRoot(validators.map((each) => encodeMessage(each, writeSimpleValidator)));
  return { engine: 'cometbft', validators, totalPower, hash };
}

/** `Validator` within `ValidatorSet`, of which only key (2) and power (3) are told. */
function writeValidator(writer: ProtobufWriter, { key, power }: KeyPower): void {
  writer.message(2, key, writeKey);
  writer.int64(3, power);
}

function readValidator(reader: ProtobufReader): KeyPower {
  let key: Bytes = new Uint8Array(0);
  let power = 0n;
  for (let field = reader.next(); field !== 0; field = reader.next())
    if (field === 2) key = reader.message(readKey);
    else if (field === 3) power = reader.int64();
    else reader.skip();
  return { key, power };
}

/** The protobuf `ValidatorSet` reduced to keys and powers, in the order of the set. */
export function encodeCometValidatorSet(set: CometValidatorSet): Bytes {
  return encodeMessage(set.validators, (writer, validators) => {
    for (const validator of validators) writer.message(1, validator, writeValidator);
  });
}

/** Strict: only what `encodeCometValidatorSet` gives. @throws CodecError, ValidatorSetError */
export function decodeCometValidatorSet(bytes: Bytes): CometValidatorSet {
  if (bytes.length > VALIDATORS_MAX * VALIDATOR_BYTES_MAX)
    throw new CodecError('tooLarge', 'more validators than a set may have');
  const list = decodeMessage(bytes, (reader) => {
    const validators: KeyPower[] = [];
    for (let field = reader.next(); field !== 0; field = reader.next())
      if (field === 1) validators.push(reader.message(readValidator));
      else reader.skip();
    return validators;
  });
  const set = createCometValidatorSet(list);
  if (!equalBytes(encodeCometValidatorSet(set), bytes))
    throw new CodecError('notCanonical', 'the validator set is not in its one form');
  return set;
}
