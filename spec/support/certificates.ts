import { generate } from 'selfsigned';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

interface Certificates {
  readonly ca: Certificate;
  readonly server: Certificate;
  readonly client: Certificate;
  /** Of another server: neither its name nor its address is that of the specs'. */
  readonly elsewhere: Certificate;
}

/** RSA keys take a tenth of a second each. */
const quick = { algorithm: 'sha256', keyType: 'ec', curve: 'P-256' } as const;

let made: Promise<Certificates> | undefined;

/** A private certificate authority of the specs' own, with a certificate for 127.0.0.1 and one for a client. Made once. */
export function certificates(): Promise<Certificates> {
  made ??= otherCertificates();
  return made;
}

/** The same, of an authority that no client trusts. `notAfterDate`: when the certificates that it signs expire. */
export async function otherCertificates(notAfterDate?: Date): Promise<Certificates> {
  const name = (value: string) => [{ name: 'commonName', value }];
  const authority = await generate(name('redis-tier spec CA'), {
    ...quick,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true },
    ],
  });
  const ca = { cert: authority.cert, key: authority.private };
  const here = [
    { type: 2, value: 'localhost' },
    { type: 7, ip: '127.0.0.1' },
  ] as const;
  const signed = async (commonName: string, altNames: readonly object[] = here): Promise<Certificate> => {
    const { cert, private: key } = await generate(name(commonName), {
      ...quick,
      ca,
      ...(notAfterDate && { notBeforeDate: new Date(notAfterDate.getTime() - 86_400_000), notAfterDate }),
      extensions: [
        { name: 'basicConstraints', cA: false },
        { name: 'subjectAltName', altNames: altNames as never },
      ],
    });
    return { cert, key };
  };
  return {
    ca,
    server: await signed('127.0.0.1'),
    client: await signed('client'),
    elsewhere: await signed('elsewhere', [{ type: 2, value: 'elsewhere.example' }]),
  };
}
