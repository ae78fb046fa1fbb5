import { crc32, deflateRawSync } from "node:zlib";

/** A member of a zip, and what its directory says of it where that is not the truth. */
export interface ZipMember {
  readonly name?: string;
  readonly data: Buffer;
  readonly stored?: boolean;
  readonly encrypted?: boolean;
  readonly declaredSize?: number;
  readonly declaredPackedSize?: number;
  /** Lies on top of the member with this number instead of having bytes of its own. */
  readonly sameBytesAs?: number;
}

/** A zip (PKWARE APPNOTE 6.3) byte by byte, as honest as its members; `counted` is how many it says there are. */
export function zipOf(members: readonly ZipMember[], counted = members.length): Uint8Array<ArrayBuffer> {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  const places: { offset: number; packed: Buffer }[] = [];
  let length = 0;
  for (const [n, member] of members.entries()) {
    const { data, stored = false, encrypted = false, sameBytesAs } = member;
    const name = Buffer.from(member.name ?? `${n}.txt`);
    const shared = sameBytesAs === undefined ? undefined : places[sameBytesAs];
    const packed = shared?.packed ?? (stored ? data : deflateRawSync(data));
    const offset = shared?.offset ?? length;
    places.push({ offset, packed });
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(encrypted ? 1 : 0, 2);
    common.writeUInt16LE(stored ? 0 : 8, 4);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(member.declaredPackedSize ?? packed.length, 14);
    common.writeUInt32LE(member.declaredSize ?? data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.from("PK\x01\x02\x14\0", "latin1"), common, place, name);
    if (shared) continue;
    const local = [Buffer.from("PK\x03\x04", "latin1"), common, name, packed];
    parts.push(...local);
    length += Buffer.concat(local).length;
  }
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(counted, 8);
  end.writeUInt16LE(counted, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(length, 16);
  return new Uint8Array(Buffer.concat([...parts, ...directory, end]));
}
