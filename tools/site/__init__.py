"""What makes a site of docs/: Markdown as GitHub reads it, links into the repository, the page of the API."""
