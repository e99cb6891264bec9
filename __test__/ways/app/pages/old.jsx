export default function Old({ made }) {
  return <p>made at {made}</p>
}

export async function getStaticProps() {
  return { props: { made: Date.now() }, revalidate: 1 }
}
