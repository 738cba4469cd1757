/**
 * Pictures of fewer pixels are sent in one size. Of theirs, Chromium sends the two smaller ones alone when all three are
 * active, or the smallest, and never the whole picture.
 */
const SEVERAL_FROM = 960 * 540

export interface Size {
  width: number
  height: number
}

/**
 * Which of `count` encodings a picture is sent in, the smallest first: the whole picture always, smaller ones when there is
 * somebody to choose (`spread`) and it is large enough. Of unknown size it is taken for small.
 */
export function layersOf({ width, height }: Size, count: number, spread: boolean): boolean[] {
  const several = spread && width * height >= SEVERAL_FROM
  return Array.from({ length: count }, (_, index) => several || index === count - 1)
}

/** How much smaller than the picture each of `count` encodings is: each has half the width of the next. */
export function scaleOf(index: number, count: number): number {
  return 2 ** (count - 1 - index)
}
