/** What the patient gives out for a grant, to each node and to the grantee, and how it is encoded. */
import type { Bytes } from './bytes.ts';
import { decode, encode } from './cbor.ts';
import { type Curve, type G1, G1_BYTES, type G2, G2_BYTES, type Scalar } from './curve.ts';
import { Fields } from './fields.ts';
import {
  GRANT_LABEL_COUNT,
  type GrantBody,
  grantBodyFromCbor,
  grantBodyItems,
} from './grant-body.ts';
import { type Label, labelFromCbor, labelItems } from './label.ts';

const TOKENS_MAX = 4096;

/** What goes to node i, sealed with `nodeInfo`: salt, body and one share per label. */
export interface NodeShare {
  readonly index: number;
  readonly salt: Bytes;
  readonly body: GrantBody;
  /** D_{i,ℓ} in the order of the body's points. */
  readonly keys: readonly G2[];
}

/** What goes to B, sealed with `granteeInfo`. */
export interface GranteeShare {
  readonly salt: Bytes;
  readonly body: GrantBody;
  /** d */
  readonly blinding: Scalar;
  /** P, which B compares with the patient's certificate. */
  readonly patientKey: G1;
  readonly labels: readonly Label[];
  /** Encoded search tokens (searchable-encryption.ts), each still sealed to its search node. */
  readonly searchTokens: readonly Bytes[];
}

/** Canonical CBOR of [i, salt, body, [D_{i,ℓ}]]. */
export function encodeNodeShare(curve: Curve, share: NodeShare): Bytes {
  return encode([
    share.index,
    share.salt,
    grantBodyItems(curve, share.body),
    share.keys.map((key) => curve.encodeG2(key)),
  ]);
}

/** @throws CodecError, PointError, ThresholdError */
export function decodeNodeShare(curve: Curve, bytes: Bytes): NodeShare {
  const fields = Fields.of(decode(bytes), 4);
  return {
    index: fields.whole(),
    salt: fields.bytes(32),
    body: grantBodyFromCbor(curve, fields.any()),
    keys: fields.list(GRANT_LABEL_COUNT, (list) => curve.parseG2(list.bytes(G2_BYTES))),
  };
}

/** Canonical CBOR of [salt, body, d, P, [ℓ], [token]]. */
export function encodeGranteeShare(curve: Curve, share: GranteeShare): Bytes {
  return encode([
    share.salt,
    grantBodyItems(curve, share.body),
    curve.encodeScalar(share.blinding),
    curve.encodeG1(share.patientKey),
    share.labels.map((label) => labelItems(label)),
    share.searchTokens,
  ]);
}

/** @throws CodecError, PointError, ThresholdError, LabelError */
export function decodeGranteeShare(curve: Curve, bytes: Bytes): GranteeShare {
  const fields = Fields.of(decode(bytes), 6);
  return {
    salt: fields.bytes(32),
    body: grantBodyFromCbor(curve, fields.any()),
    blinding: curve.parseScalar(fields.bytes()),
    patientKey: curve.parseG1(fields.bytes(G1_BYTES)),
    labels: fields.list(GRANT_LABEL_COUNT, (list) => labelFromCbor(list.any())),
    searchTokens: fields.list({ min: 0, max: TOKENS_MAX }, (list) => list.bytes()),
  };
}
