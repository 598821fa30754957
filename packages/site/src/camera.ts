/** Pictures of the camera, while it is on. */
import { InputError } from '@padnet/runtime';
import { element } from './dom.js';

const refusals: Readonly<Record<string, string>> = {
  NotAllowedError: 'the browser does not allow it; allow it beside the address of the page and try again',
  NotFoundError: 'none was found; choose a picture instead',
  OverconstrainedError: 'none was found; choose a picture instead',
  NotReadableError: 'another program uses it; close that and try again',
};

export class Camera {
  readonly element = element('video', { muted: true, playsinline: true, 'aria-label': 'What the camera sees' });
  #stream: MediaStream | null = null;

  isOn(): boolean {
    return this.#stream !== null;
  }

  /** @throws InputError where there is none, or it may not be used */
  async start(): Promise<void> {
    this.stop();
    // Old types say that it is always there; it is not where the page comes from an address that is not secure.
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (!devices)
      throw new InputError('The camera works only in pages from https: or from this machine; choose a picture instead');
    try {
      this.#stream = await devices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 640 } } });
      this.element.srcObject = this.#stream;
      await this.element.play();
    } catch (cause) {
      this.stop();
      const name = cause instanceof DOMException ? cause.name : '';
      throw new InputError(`The camera cannot be used: ${refusals[name] ?? 'it does not start; choose a picture'}`, {
        cause,
      });
    }
  }

  stop(): void {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.element.srcObject = null;
  }

  /** What it sees now, as a PNG. */
  async frame(): Promise<Blob | null> {
    const { videoWidth: width, videoHeight: height } = this.element;
    if (!this.isOn() || width === 0) return null;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext('2d')!.drawImage(this.element, 0, 0);
    return await canvas.convertToBlob();
  }
}
