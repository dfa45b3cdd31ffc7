/**
 * A certificate for 127.0.0.1 that signs itself (RFC 5280, DER by hand): tests need real TLS and no tool for it.
 */
import { generateKeyPairSync, sign } from 'node:crypto';

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);
const ecdsaWithSha256 = der(0x30, der(0x06, bytes(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)));
const name = der(
  0x30,
  der(0x31, der(0x30, der(0x06, bytes(0x55, 0x04, 0x03)), der(0x0c, Buffer.from('countersign test')))),
);
const time = (date: Date): Buffer =>
  der(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`));

export function selfSigned(): { readonly key: string; readonly cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const extension = (id: number, value: Buffer): Buffer =>
    der(0x30, der(0x06, bytes(0x55, 0x1d, id)), der(0x04, der(0x30, value)));
  const extensions = der(
    0x30,
    extension(0x11, der(0x87, bytes(127, 0, 0, 1))),
    extension(0x13, der(0x01, bytes(0xff))),
  );
  const signedPart = der(
    0x30,
    der(0xa0, der(0x02, bytes(2))),
    der(0x02, bytes(1)),
    ecdsaWithSha256,
    name,
    der(0x30, time(new Date(Date.now() - 3_600_000)), time(new Date(Date.now() + 3_600_000))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const signature = der(0x03, bytes(0), sign('sha256', signedPart, privateKey));
  const text = der(0x30, signedPart, ecdsaWithSha256, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${text.replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  };
}
