/** The pictures of the gallery; sizes in px. */
export const photos = [
  {
    src: '/photos/alps.jpg',
    title: 'Alps, early',
    alt: 'Rocky mountains with snow above a green valley, in low morning light',
    width: 2880,
    height: 1920,
  },
  {
    src: '/photos/dunes.jpg',
    title: 'Dunes',
    alt: 'Sand dunes with long shadows under a hazy sky',
    width: 2400,
    height: 1600,
  },
  {
    src: '/photos/islands.webp',
    title: 'Islands',
    alt: 'Green islands with sandy shores in a calm blue sea',
    width: 2560,
    height: 1440,
  },
  {
    src: '/photos/canyon.avif',
    title: 'Canyon',
    alt: 'Terraces of red rock under a blue sky with a few clouds',
    width: 2400,
    height: 1600,
  },
  {
    src: '/photos/aurora.jpg',
    title: 'Aurora',
    alt: 'Green and violet northern lights over dark snowy mountains',
    width: 2400,
    height: 1600,
  },
  {
    src: '/photos/bubble.png',
    title: 'Bubble',
    alt: 'A soap bubble in rainbow colours, transparent in the middle',
    width: 800,
    height: 800,
  },
]

/** What the switch offers: the value of `as`, the label, and what it does. */
export const choices = [
  { as: '', label: 'This browser', hint: 'Each picture comes in the best format that your browser says it knows.' },
  { as: 'avif', label: 'AVIF', hint: 'As for a browser that accepts AVIF.' },
  { as: 'webp', label: 'WebP', hint: 'As for a browser that accepts WebP and no AVIF.' },
  { as: 'none', label: 'JPEG', hint: 'As for a browser that accepts neither AVIF nor WebP: JPEG, and PNG stays PNG.' },
]
