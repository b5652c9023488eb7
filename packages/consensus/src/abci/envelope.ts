/**
 * One request or response on the wire: the `Request` or `Response` oneof with its length before it, an
 * *unsigned* varint. (Before v0.37 the length was zig-zag signed; servers of that time cannot be spoken to.)
 */
import type { Bytes } from '@yilian/crypto/bytes';
import { ProtobufReader, ProtobufWriter } from '../protobuf.ts';
import type { MessageCodec } from './message-codec.ts';
import { type Request, type RequestBodies, type RequestKind, REQUEST_MEMBERS } from './requests.ts';
import {
  EXCEPTION_MEMBER,
  exceptionCodec,
  type Response,
  type ResponseBodies,
  RESPONSE_MEMBERS,
} from './responses.ts';

type Member = readonly [number, { readonly read: (reader: ProtobufReader) => unknown }];

/** Reads a oneof. Its value is undefined for a kind that is not known, or none; of several the last one counts. */
function oneofOf<Message extends Request | Response>(
  members: Readonly<Record<Message['kind'], Member>>,
): (bytes: Bytes) => Message | undefined {
  const byNumber = new Map(
    Object.entries<Member>(members).map(([kind, [number, codec]]) => [
      number,
      { kind, read: codec.read },
    ]),
  );
  return (bytes) => {
    const reader = new ProtobufReader(bytes);
    let found: Message | undefined;
    for (let number = reader.next(); number !== 0; number = reader.next()) {
      const member = byNumber.get(number);
      if (member === undefined) reader.skip();
      // Kind and body stand in one row of the table, which the compiler does not follow through a map.
      else found = { kind: member.kind, body: reader.message(member.read) } as Message;
    }
    return found;
  };
}

/** Undefined when it is of a kind that this version does not have. @throws CodecError */
export const decodeRequest: (bytes: Bytes) => Request | undefined =
  oneofOf<Request>(REQUEST_MEMBERS);

/** Undefined when it is of a kind that this version does not have. @throws CodecError */
export const decodeResponse: (bytes: Bytes) => Response | undefined = oneofOf<Response>({
  exception: [EXCEPTION_MEMBER, exceptionCodec],
  ...RESPONSE_MEMBERS,
});

function frameOf<Body>(number: number, codec: MessageCodec<Body>, body: Body): Bytes {
  const writer = new ProtobufWriter();
  writer.delimited(body, (inner, message) => inner.message(number, message, codec.write));
  return writer.finish();
}

/** A request with its length before it, ready to be sent. */
export function encodeRequestFrame<Kind extends RequestKind>(
  kind: Kind,
  body: RequestBodies[Kind],
): Bytes {
  const [number, codec] = REQUEST_MEMBERS[kind];
  return frameOf(number, codec, body);
}

/** A response with its length before it, ready to be sent. */
export function encodeResponseFrame<Kind extends RequestKind>(
  kind: Kind,
  body: ResponseBodies[Kind],
): Bytes {
  const [number, codec] = RESPONSE_MEMBERS[kind];
  return frameOf(number, codec, body);
}

export function encodeExceptionFrame(error: string): Bytes {
  return frameOf(EXCEPTION_MEMBER, exceptionCodec, { error });
}
