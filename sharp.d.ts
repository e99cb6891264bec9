/// <reference types="node" />

/**
 * The calls of sharp that Next.js makes, on unsharp's codecs. Every other one that sharp has throws an error with the
 * code `ERR_UNSHARP_NOT_SUPPORTED` that names it.
 *
 * @param input the bytes of an image: JPEG, PNG, GIF, WebP, AVIF, TIFF, or SVG, which is drawn without fonts, files and
 *   network. Of an animated GIF or PNG the first frame is taken; an animated WebP is refused.
 */
declare function sharp(input: sharp.Input, options?: sharp.Options): sharp.Sharp

declare namespace sharp {
  export type Input = ArrayBuffer | NodeJS.ArrayBufferView

  export interface Options {
    /**
     * Width × height that the input may have, pixels; true means the default, 268402689, and false or 0 none (which
     * is 4294967296).
     */
    limitInputPixels?: number | boolean
    /** Accepted; the input is always read from its start to its end. */
    sequentialRead?: boolean
    /** Damage of any kind is an error. */
    failOn?: 'warning'
    /** The same as {@link Sharp.rotate}. Default false. */
    autoOrient?: boolean
  }

  export interface ResizeOptions {
    /** An image that is smaller stays as it is. Default false. */
    withoutEnlargement?: boolean
    fit?: 'cover'
    position?: 'centre'
    kernel?: 'lanczos3'
  }

  export interface AvifOptions {
    /** 1 to 100, on the scale of sharp. From 63 on it is the best there is. Default 50. */
    quality?: number
    /** 0 to 9; accepted, and without effect. */
    effort?: number
    chromaSubsampling?: '4:2:0'
  }

  export interface WebpOptions {
    /** 1 to 100, default 80. */
    quality?: number
  }

  export interface JpegOptions {
    /** 1 to 100, default 80. */
    quality?: number
    /** Default false. */
    progressive?: boolean
    /** Trellis quantisation and progressive scans. Default false; `progressive` has it too. */
    mozjpeg?: boolean
    chromaSubsampling?: '4:2:0'
  }

  export interface PngOptions {
    /** 0 to 100: as few colours of a palette as it takes. Without it nothing is lost. */
    quality?: number
  }

  export interface Metadata {
    /** `heif` for AVIF, as in sharp. */
    format: 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'svg' | 'heif'
    /** Of AVIF. */
    compression?: 'av1'
    /** Such as `image/avif`. */
    mediaType: string
    /** Of the input, bytes. */
    size: number
    /** px, before EXIF orientation is applied. */
    width: number
    /** px, before EXIF orientation is applied. */
    height: number
    hasAlpha: boolean
    /** By EXIF, 2 to 8; absent where nothing is to be turned. */
    orientation?: number
  }

  /** Each call but the last two changes this object and returns it. */
  export interface Sharp {
    /** Time that making the image may take, from when it starts; 0 to 3600, default 0, which is any. */
    timeout(options: { seconds: number }): this
    /** Turns the image as EXIF says. */
    rotate(): this
    /**
     * 1 to 16383 px. Without a height it follows from the width; with one the image covers the box, and what sticks
     * out is cropped evenly on both sides.
     */
    resize(width?: number | null, height?: number | null, options?: ResizeOptions): this
    avif(options?: AvifOptions): this
    webp(options?: WebpOptions): this
    jpeg(options?: JpegOptions): this
    png(options?: PngOptions): this
    /** The image in the format that was chosen, else in that of the input; of an SVG a PNG. */
    toBuffer(): Promise<Buffer>
    /** What the header says. */
    metadata(): Promise<Metadata>
  }

  /** Accepted, and without effect: what it names are loaders of libvips. */
  export function block(options: { operation: string[] }): void
  /** Accepted, and without effect. */
  export function unblock(options: { operation: string[] }): void
  /**
   * How many images of this process are in work at once; more than it may use CPUs are not. 0 goes back to that
   * default.
   */
  export function concurrency(images?: number): number
  /** Accepted, and without effect: nothing is kept from one image to the next. */
  export function cache(options?: unknown): object

  /** `sharp`: the version that this stands in for. `unsharp`, `avif`: what does the work. */
  export const versions: Readonly<Record<string, string>>

  export { sharp as default }
}

export = sharp
