/** Byte helpers that pages need to show or compare values; they use no other part of the crypto package. */
export { type Bytes, equalBytes, fromHex, toHex, utf8 } from '@yilian/crypto/bytes';
