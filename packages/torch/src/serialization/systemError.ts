/** Refusals of the operating system, in words: nobody has to know what `ELOOP` is. */
import { getSystemErrorMap } from 'node:util';

const words: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'its permissions do not allow that',
  EPERM: 'the system does not allow that',
  EROFS: 'the disk is read-only',
  ENOSPC: 'no space left on device',
  EDQUOT: 'the quota of the disk is used up',
  EFBIG: 'files may not be that large here (see `ulimit -f`)',
  EIO: 'the device or terminal does not answer',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is a file, not a folder',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
  EMFILE: 'too many files are open (see `ulimit -n`)',
  ENFILE: 'too many files are open on this machine',
  EEXIST: 'it exists already',
  ENOTEMPTY: 'the folder is not empty',
  EBUSY: 'it is in use',
  ETXTBSY: 'it is a program that runs',
  ESTALE: 'the file server has it no more',
  ENXIO: 'it is a pipe that nobody reads, or a device that is not there',
  EPIPE: 'its reader has gone',
  EINVAL: 'the system takes it for no file',
  ERR_FS_FILE_TOO_LARGE: 'it is more than the 2 GiB that are read at once',
};

/** Where the call says more. */
const ofCalls: Readonly<Record<string, string>> = {
  'ENOENT mkdir': 'no folder can be made there',
  'ENOENT scandir': 'there is no such folder',
  'ENOTDIR scandir': 'it is a file, not a folder',
};

/** Why the system refused; null for an error that is not the system's. */
export function systemErrorText(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const { code, errno, syscall, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return null;
  if (code === 'ERR_INVALID_ARG_VALUE')
    return message.includes('null bytes') ? 'a path cannot hold the character NUL' : null;
  return (
    ofCalls[`${code} ${syscall}`] ??
    words[code] ??
    (errno === undefined ? null : (getSystemErrorMap().get(errno)?.[1] ?? null))
  );
}
